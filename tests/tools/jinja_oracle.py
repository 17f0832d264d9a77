"""The oracle of chat templates: jinja2 set up as Hugging Face's apply_chat_template does, with a fixed clock.

Needs the package jinja2 (3.1); the scripts beside this one import it.
"""
import copy
import datetime
import json
import warnings

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

warnings.filterwarnings("ignore", category=SyntaxWarning)  # Python's, about the code jinja2 writes

NOW = 1_750_000_000  # 2025-06-15 15:06:40 UTC


class Generation(jinja2.ext.Extension):
    """{% generation %} marks the assistant's text for training; rendering passes it through."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_pass"), [], [], body).set_lineno(line)

    def _pass(self, caller):
        return caller()


class TemplateRaised(Exception):
    """The template called raise_exception."""


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Generation]
    )

    def raise_exception(message):
        raise TemplateRaised(message)

    def strftime_now(format):
        return datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).replace(tzinfo=None).strftime(format)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )

    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    env.filters["tojson"] = tojson
    return env


def render(source, context):
    """(text, None), or (None, message) when jinja2 fails; the message is the template's own if it raised."""
    try:
        # A copy: a filter such as indent changes a list in place, and the sandbox does not see it.
        text = environment().from_string(source).render(**copy.deepcopy(context))
        text.encode("utf-8")
        return text, None
    except TemplateRaised as error:
        return None, str(error)
    except Exception as error:  # any failure counts: the sandbox, Python, the template
        return None, f"{type(error).__name__}: {error}"
