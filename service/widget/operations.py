"""Owns the description of what is embedded in pages: its addresses, and the parameters beside those of a list."""

from __future__ import annotations

from service.api.openapi import Operation
from service.api.parameters import ID, URL, Parameter, list_parameters
from service.recommend.policy import Policies

LAYOUT = Parameter(
    name="layout", kind="choice", choices=("list", "grid", "compact"), default="list", description="How it is drawn."
)
HEADING = Parameter(name="heading", kind="text", default="Related stories", description="What stands above the list.")
_OF_READERS = "unit", "block", "explain", "fields"  # what is made on a server is for everybody, and whole
_ERRORS = (400, 404, 410, 503)


def shared_list_parameters(policies: Policies) -> tuple[Parameter, ...]:
    """What may be asked of a list that all readers get."""
    return tuple(each for each in list_parameters(policies) if each.name not in _OF_READERS)


def embed_operations(policies: Policies) -> tuple[Operation, ...]:
    """The operations of this package, for this installation's policies."""
    asked = shared_list_parameters(policies)
    found = []
    for path, named in (("/v1/articles/{id}/related", ()), ("/v1/related", (ID, URL))):
        fragment = Operation(
            path=f"{path}.html",
            summary="The block as HTML, to be included in a page",
            description="Text/html without a frame, for SSI, ESI or a CMS, with a schema.org ItemList. An error has "
            "its status, and nothing that would show.",
            parameters=(*named, LAYOUT, HEADING, *asked),
            responses=dict.fromkeys((200, 304, *_ERRORS), ""),
        )
        feed = Operation(
            path=f"{path}.feed.json",
            summary="The list as a JSON Feed",
            description="JSON Feed 1.1, application/feed+json.",
            parameters=(*named, *asked),
            responses=dict.fromkeys((200, 304), "") | dict.fromkeys(_ERRORS, "Problem"),
        )
        found += [fragment, feed]
    return (
        *found,
        Operation(
            path="/embed.js",
            summary="The widget",
            description="Defines the element related-stories: see the README.",
            responses={200: "", 304: ""},
        ),
        Operation(path="/embed.css", summary="The look of the fragment", responses={200: "", 304: ""}),
    )
