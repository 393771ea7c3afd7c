"""An S3 of moto's with one private bucket and one key. `python serve.py PORT [open]`.

It says its key on one line, and `ready`. From then on it checks who asks; in an open bucket
everybody may read.
"""

import json
import signal
import sys

import boto3
import requests
from moto.server import ThreadedMotoServer

PORT = int(sys.argv[1])
URL = f"http://127.0.0.1:{PORT}"
ALL = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
POLICY = {"Version": "2012-10-17", "Statement": [ALL]}

server = ThreadedMotoServer(ip_address="127.0.0.1", port=PORT, verbose=False)
server.start()
session = boto3.session.Session("setting", "up", region_name="us-east-1")
s3 = session.client("s3", endpoint_url=URL)
s3.create_bucket(Bucket="pictures")
iam = session.client("iam", endpoint_url=URL)
iam.create_user(UserName="node")
iam.put_user_policy(UserName="node", PolicyName="all", PolicyDocument=json.dumps(POLICY))
key = iam.create_access_key(UserName="node")["AccessKey"]
if sys.argv[2:] == ["open"]:
    public = {
        **ALL,
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::pictures/*",
    }
    s3.put_bucket_policy(Bucket="pictures", Policy=json.dumps({**POLICY, "Statement": [public]}))
else:
    requests.post(f"{URL}/moto-api/reset-auth", data=b"0", timeout=10).raise_for_status()
print(key["AccessKeyId"], key["SecretAccessKey"], flush=True)
print("ready", flush=True)
signal.pause()
