"""The same prompt cold and warm: our own engine, llama-server and mlx_lm.server, each through anyclaude
and, for the servers, direct.

    ./dev bench modes [--prompt TOKENS] [--mlx-prompt TOKENS] [--rounds N] [--json F]

The prompt is 18,490 tokens, and shorter for MLX, whose attention takes minutes on a CPU: the report says
how long it was. The model is a demo model, the same weights for all.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import random
import subprocess
import tempfile
import time

from report import Report
from servers import (REPOSITORY, LlamaServer, Ours, Setting, Theirs, ask, free_port, progress,
                     side_by_side)
from ttft import long_winded, prose, request, user, words_for

PROMPT = 18_490  # tokens
MLX_PROMPT = 3_000  # tokens
CONTEXT = 40_960  # tokens


class Through(Ours):
    """anyclaude in front of a server that runs already."""

    def __init__(self, kind, url, model, folder):
        home = folder / f"through-{kind}"
        home.mkdir()
        (home / "config.toml").write_text(f'[backends.{kind}]\nurl = "{url}"\n')
        super().__init__(home, options=("--mode", kind, "--model", model))


class MlxServer(Theirs):
    who = "mlx_lm.server"

    def __init__(self, model, folder):
        python = pathlib.Path(os.environ["ANYCLAUDE_MLX_LM"]) / "bin"
        self.model = folder / "mlx" / model.stem
        subprocess.run([python / "python", REPOSITORY / "tests/modes/mlx_model.py", model, self.model],
                       check=True)
        self.port = free_port()
        super().__init__([python / "mlx_lm.server", "--model", self.model, "--port", self.port],
                         folder / "mlx.log", {"HF_HUB_OFFLINE": "1", "MLX_DISABLE_COMPILE": "1"})


def ask_directly(port, model, system, words):
    """One streaming question in OpenAI's API: seconds to the first text, cached tokens."""
    body = {"model": model, "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 8,
            "temperature": 0, "messages": [{"role": "system", "content": system},
                                           {"role": "user", "content": words}]}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3600)
    began = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", json.dumps(body),
                       {"content-type": "application/json"})
    first, cached, tokens = None, 0, 0
    for line in connection.getresponse():
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        for choice in event.get("choices", ()):
            delta = choice.get("delta", {})
            if first is None and (delta.get("content") or delta.get("reasoning")
                                  or delta.get("reasoning_content")):
                first = time.perf_counter() - began
        if usage := event.get("usage"):
            tokens = usage["prompt_tokens"]
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return first, cached, tokens


def measure(report, name, ours, direct, words, rounds):
    """Cold and warm through us, and direct where `direct` is (port, model)."""
    for number in range(rounds):
        for who in ("anyclaude", "direct") if number % 2 == 0 else ("direct", "anyclaude"):
            if who == "direct" and not direct:
                continue
            system = f"Case {who} {name} {random.random()}. " + prose(name, words)
            for case, question in (("cold", "What is it?"), ("warm", "And what else is there?")):
                progress(f"{name}, round {number + 1} of {rounds}: {case}, {who}")
                if who == "direct":
                    ttft, reused, tokens = ask_directly(*direct, system, question)
                else:
                    # As direct. With thinking off llama-server hands on what the demo model's template
                    # puts behind the empty thoughts, before it has computed anything.
                    answer = ask(ours, request(system, [user(question)])
                                 | {"thinking": {"type": "adaptive"}})
                    ttft, reused = answer.ttft, answer.reused
                    tokens = answer.reused + answer.computed
                report.add(who, f"{name}_{case}", ttft, "s")
                report.add(who, f"{name}_{case}_reused", reused, "tokens")
                report.add(who, f"{name}_{case}_prompt", tokens, "tokens")
    report.ratio(f"{name}_speedup", report.median("anyclaude", f"{name}_cold")
                 / report.median("anyclaude", f"{name}_warm"))
    if direct:
        for case in ("cold", "warm"):
            report.ratio(f"{name}_overhead" + ("" if case == "cold" else "_warm"),
                         report.median("anyclaude", f"{name}_{case}")
                         / report.median("direct", f"{name}_{case}"))


def main():
    parser = argparse.ArgumentParser(prog="./dev bench modes", description=__doc__.split("\n\n")[0])
    parser.add_argument("--prompt", type=int, default=PROMPT, metavar="TOKENS",
                        help=f"for the engine and llama-server [{PROMPT}]")
    parser.add_argument("--mlx-prompt", type=int, default=MLX_PROMPT, metavar="TOKENS",
                        help=f"for mlx_lm.server [{MLX_PROMPT}]; 0: without it")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", help="write the figures to this file as well")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="anyclaude-bench-") as name:
        folder = pathlib.Path(name)
        model = long_winded(folder, "tiny").resolve()
        report = Report({"file": model.name, "bytes": model.stat().st_size,
                         "prompt_tokens": options.prompt, "mlx_prompt_tokens": options.mlx_prompt,
                         "mlx_scale": round(options.mlx_prompt / PROMPT, 3)})
        setting = Setting(model, CONTEXT, 1)

        def sized(tokens):
            return words_for(embedded, tokens,
                             lambda n: request("Case x. " + prose(0, n), [user("What is it?")]))

        with side_by_side(None, setting, folder) as (embedded,):
            words, mlx_words = sized(options.prompt), sized(max(options.mlx_prompt, 200))
            measure(report, "embedded", embedded, None, words, options.rounds)
        with contextlib.ExitStack() as running:
            server = LlamaServer(setting, folder)
            running.callback(server.stop)
            ours = Through("llama-cpp", f"http://127.0.0.1:{server.port}", model, folder)
            running.callback(ours.stop)
            measure(report, "llama_cpp", ours, (server.port, model.name), words, options.rounds)
        if options.mlx_prompt and "ANYCLAUDE_MLX_LM" in os.environ:
            with contextlib.ExitStack() as running:
                server = MlxServer(model, folder)
                running.callback(server.stop)
                ours = Through("mlx-lm", f"http://127.0.0.1:{server.port}", server.model, folder)
                running.callback(ours.stop)
                measure(report, "mlx_lm", ours, (server.port, "default_model"), mlx_words,
                        options.rounds)
    progress("")
    report.print()
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
