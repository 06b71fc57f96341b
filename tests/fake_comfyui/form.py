"""Multipart forms, read here: the usual package for it has its own import-time warnings."""

from dataclasses import dataclass, field
from email import message_from_string
from email.message import Message


@dataclass(frozen=True)
class SentFile:
    name: str
    content: bytes


@dataclass(frozen=True)
class Form:
    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, SentFile] = field(default_factory=dict)


def parse_form(content_type: str, body: bytes) -> Form:
    """A form's fields and files; empty for any other kind of body."""
    form = Form()
    boundary = _headers(f"Content-Type: {content_type}").get_boundary()
    if boundary is None:
        return form
    # What precedes the first boundary and follows the last one is not part of the form.
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        headers = _headers(head.decode().strip())
        name = headers.get_param("name", header="content-disposition")
        filename = headers.get_filename()
        if filename is not None:
            form.files[str(name)] = SentFile(filename, content)
        else:
            form.fields[str(name)] = content.decode()
    return form


def _headers(text: str) -> Message:
    return message_from_string(text)
