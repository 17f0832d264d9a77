"""Conversations that chat templates are compared over, and the variables some of them are rendered with."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": 'The weather of a place, e.g. "Zürich" — today\'s & tomorrow\'s <b>forecast</b>',
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "Name of a town"},
                "days": {"type": "integer", "minimum": 0, "maximum": 1.5e3, "default": None},
                "unit": {"type": "string", "enum": ["°C", "°F"]},
                "tags": {"type": "array", "items": {"type": "object", "properties": {"k": {"type": ["string", "null"]}}}},
            },
            "required": ["place"],
        },
        "return": {"type": "object", "description": "a record"},
    },
}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds numbers",
        "parameters": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]},
    },
}


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def call(name, arguments, identity="call_1"):
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def conversations():
    """(name, {"messages": …, "tools": …}) pairs."""
    ask = user("What's the weather in Zürich?")
    return [
        ("one turn", {"messages": [user("Hello")]}),
        ("system", {"messages": [system("You are terse."), user("Hello")]}),
        ("several turns", {"messages": [user("One"), assistant("Two"), user("Three"), assistant("Four"), user("Five")]}),
        ("system, several turns", {"messages": [system("  Be kind.\n"), user(" One "), assistant("\nTwo\n"), user("Three\n\n")]}),
        ("empty", {"messages": []}),
        ("empty contents", {"messages": [system(""), user(""), assistant(""), user("")]}),
        ("only system", {"messages": [system("Alone")]}),
        ("ends with assistant", {"messages": [user("Hi"), assistant("Hello there")]}),
        ("two users", {"messages": [user("Hi"), user("again")]}),
        ("assistant first", {"messages": [assistant("I begin"), user("And I follow")]}),
        ("system later", {"messages": [user("Hi"), system("Now be formal"), user("Hi")]}),
        ("developer", {"messages": [{"role": "developer", "content": "Rules"}, user("Hi")]}),
        ("unknown role", {"messages": [{"role": "narrator", "content": "Once upon a time"}, user("Hi")]}),
        ("unicode", {"messages": [system("Ελληνικά ΑΣ"), user("Grüße 👩‍👩‍👧 \u2028 日本語 \u00a0"), assistant("ß ŒÆ ﬁ İ"), user("\u3000x\u200b")]}),
        ("quotes and braces", {"messages": [user("{{ 1 + 1 }} {% if x %} {# no #} \"q\" 'p' \\n \t <|im_end|> </s> [INST] <tool_call>"), assistant("}} %} {\"a\": [1, 2]} it's \"both\""), user("a\r\nb\\")]}),
        ("markers in content", {"messages": [user("<think>x</think> <|start_header_id|> </think>"), assistant("</think> <|im_start|>assistant\n"), user("[/INST] <end_of_turn>")]}),
        ("think", {"messages": [user("Q1"), assistant("<think>\nI wonder\n</think>\n\nA1"), user("Q2"), assistant("<think>again</think>A2"), user("Q3")]}),
        ("reasoning content", {"messages": [user("Q1"), assistant("A1", reasoning_content="Because"), user("Q2"), assistant("A2", reasoning_content="", reasoning="r2", thinking="t2"), user("Q3")]}),
        ("tools", {"messages": [ask], "tools": [WEATHER, ADD]}),
        ("tools, system", {"messages": [system("Use tools."), ask], "tools": [WEATHER]}),
        (
            "tool calls",
            {
                "messages": [ask, assistant("", tool_calls=[call("get_weather", {"place": "Zürich", "days": 2, "deep": {"a": [True, None, 1.0]}})]), {"role": "tool", "name": "get_weather", "tool_call_id": "call_1", "content": '{"t": "21 °C"}'}, assistant("It is 21 °C."), user("Thanks")],
                "tools": [WEATHER, ADD],
            },
        ),
        (
            "tool calls, no content",
            {
                "messages": [system("S"), ask, assistant(None, tool_calls=[call("get_weather", {"place": "a"}), call("add", {"a": 1, "b": 2.5}, "call_2")]), {"role": "tool", "name": "get_weather", "tool_call_id": "call_1", "content": "x"}, {"role": "tool", "name": "add", "tool_call_id": "call_2", "content": "3.5"}],
                "tools": [WEATHER, ADD],
            },
        ),
        (
            "tool calls, arguments as text",
            {
                "messages": [ask, assistant("Let me see", tool_calls=[call("get_weather", '{"place": "Zürich"}', "abcdefghi")]), {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": "fine"}, user("And?")],
                "tools": [WEATHER],
            },
        ),
        (
            "tool calls, no tools",
            {"messages": [ask, {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}, {"role": "tool", "content": {"a": 1}}, assistant("done")]},
        ),
        (
            "tool results of all kinds",
            {
                "messages": [ask, assistant("", tool_calls=[call("add", {"a": 1, "b": 2}, "123456789")]), {"role": "tool", "tool_call_id": "123456789", "name": "add", "content": [{"type": "text", "text": "3"}]}, assistant("3", reasoning_content="sum"), user("x")],
                "tools": [ADD],
            },
        ),
        ("ipython", {"messages": [ask, assistant("<|python_tag|>x"), {"role": "ipython", "content": {"output": "é"}}]}),
        ("content lists", {"messages": [system([{"type": "text", "text": "S"}]), user([{"type": "text", "text": "Look: "}, {"type": "image"}, {"type": "text", "text": " this"}]), assistant([{"type": "text", "text": "A cat."}]), user([{"type": "text", "text": "Thanks"}])]}),
        ("media", {"messages": [user([{"type": "image", "image": "a.png"}, {"type": "image_url", "image_url": {"url": "b"}}, {"type": "video", "video": "v"}, {"type": "audio", "audio_url": "s"}, {"type": "text", "text": "?"}, "plain"])]}),
        ("odd contents", {"messages": [user(None), assistant(12), user(True), assistant({"a": "b"}), {"role": "user"}]}),
        ("odd messages", {"messages": [{"content": "no role"}, {"role": None, "content": "x"}]}),
        ("long", {"messages": [user(f"turn {i} " + "word " * 40) if i % 2 == 0 else assistant(f"reply {i}\n" * 3) for i in range(21)]}),
    ]


def variables(name):
    """Sets of extra variables for a conversation; None: none."""
    sets = [None]
    if name in ("system, several turns", "tool calls", "think", "tools"):
        sets += [
            {"enable_thinking": True},
            {"enable_thinking": False, "reasoning_effort": "high", "date_string": "26 Jul 2024"},
            {"thinking": True, "add_default_system_prompt": True, "builtin_tools": ["code_interpreter"], "documents": [{"title": "T", "text": "Ünï"}]},
            {"functions": [{"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}], "datetime": "2025-01-01", "keep_past_thinking": True, "thinking_budget": 512},
        ]
    return sets
