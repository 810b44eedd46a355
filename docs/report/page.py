"""The report as one HTML file that needs nothing beside it."""

import base64
from collections.abc import Iterable
from html import escape

from docs.report.blocks import Block, Heading, Paragraph, Picture

__all__ = ["as_html"]

STYLE = """
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 1rem auto; padding: 0 1rem; color: #222; background: #fff }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: 0.85rem; margin: 0.5rem 0 }
th, td { padding: 0.2rem 0.6rem; text-align: left; white-space: nowrap; border-bottom: 1px solid #ddd }
img { max-width: 100% } figcaption { font-size: 0.85rem; color: #555 } figure { margin: 1rem 0 }
code { display: block; overflow-x: auto; white-space: pre; font-size: 0.8rem; background: #f4f4f4; padding: 0.5rem }
@media print { body { max-width: none; font-size: 10pt } code { white-space: pre-wrap } table { font-size: 7pt } \
figure, tr { break-inside: avoid } }
"""


def as_html(blocks: Iterable[Block]) -> str:
    """Write blocks as a page."""
    body = "\n".join(map(_one, blocks))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>geopointseg: technical report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _one(block: Block) -> str:
    """One block."""
    if isinstance(block, Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    if isinstance(block, Paragraph):
        return f"<code>{escape(block.text)}</code>" if block.code else f"<p>{escape(block.text)}</p>"
    if isinstance(block, Picture):
        data = base64.b64encode(block.path.read_bytes()).decode()
        caption = escape(block.caption)
        return f'<figure><img alt="{caption}" src="data:image/png;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    head = "".join(f"<th>{escape(cell)}</th>" for cell in block.head)
    rows = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in block.rows)
    return f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
