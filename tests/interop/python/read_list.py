"""Read a list of domains from standard input as FediBlockHole does, and say what it understood."""

import json
import sys

from fediblockhole.blocklists import parse_blocklist

FIELDS = ["domain", "severity", "reject_media", "reject_reports", "public_comment", "obfuscate"]

found = parse_blocklist(sys.stdin.read(), "a test", sys.argv[1], list(FIELDS))
print(
    json.dumps(
        {
            block.domain: [str(block.severity), bool(block.reject_media), block.public_comment]
            for block in found.values()
        }
    )
)
