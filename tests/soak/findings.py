"""What a soak found, as JSON and as tables for docs/reliability.md."""

import dataclasses
import datetime
import json
import statistics

from report import machine
from watching import ms, percentile

PARTS = 10  # of the table over time
LATENCIES = 60  # of the chart


def collect(soak, answers, judged, log):
    watch, span, tally = soak.watch, soak.span, soak.tally
    measured = watch.within(span.begin, span.end)
    return {
        "machine": machine(), "date": datetime.date.today().isoformat(), "clients": soak.clients,
        "minutes": round(span.end / 60, 2), "warm_up_minutes": round(span.begin / 60, 2),
        "load": round(statistics.mean(sample["daemon_load"] + sample["client_load"] for sample in measured), 3),
        "pause_seconds": round(soak.pace.mean, 2), "requests": dict(tally.done),
        "prompt_tokens": tally.prompt, "reused_tokens": tally.reused, "output_tokens": tally.output,
        "errors": tally.errors, "error_count": tally.error_count,
        "wrong": [*tally.wrong, *answers.wrong], "compared": answers.compared, "ties": answers.ties,
        "warnings": [line for line in log.splitlines() if "[warning]" in line or "[error]" in line][:20],
        "judged": [dataclasses.asdict(one) for one in judged],
        "idle_before": soak.idle_before, "idle_after": soak.idle_after,
        "parts": parts(watch, span), "latency": latency(watch, span), "samples": watch.samples}


def latency(watch, span):
    """Percentiles of the time to the first token, each of a sixtieth of the time."""
    length = span.end / LATENCIES
    found = []
    for number in range(LATENCIES):
        if first := watch.first_tokens(number * length, (number + 1) * length):
            found.append({"at": round((number + 0.5) * length, 1), "p50_ms": round(ms(percentile(first, 0.5)), 1),
                          "p99_ms": round(ms(percentile(first, 0.99)), 1)})
    return found


def parts(watch, span):
    """The time that is judged in ten parts: medians, sums and percentiles of each."""
    rows = []
    length = (span.end - span.begin) / PARTS
    for number in range(PARTS):
        begin, end = span.begin + number * length, span.begin + (number + 1) * length
        samples, first = watch.within(begin, end), watch.first_tokens(begin, end)
        if not samples or not first:
            continue
        rows.append({"minute": round(end / 60, 1),
                     "requests": samples[-1]["requests"] - samples[0]["requests"],
                     "first_p50_ms": round(ms(percentile(first, 0.5)), 1),
                     "first_p99_ms": round(ms(percentile(first, 0.99)), 1),
                     "computed_tokens": round(watch.computed_tokens(begin, end)),
                     "token_ms": rounded(ms(watch.token_seconds(begin, end))),
                     **{name: round(watch.median(name, begin, end), 1)
                        for name in ("rss_mib", "pss_mib", "threads", "descriptors", "cells_used", "cells_held",
                                     "running", "queued", "store_mib")}})
    return rows


def rounded(milliseconds):
    return None if milliseconds is None else round(milliseconds, 2)


def write(found, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    path.with_suffix(".md").write_text(table(found) + "\n")


def table(found):
    requests = sum(found["requests"].values())
    reused = found["reused_tokens"] / max(found["prompt_tokens"], 1)
    lines = [f"{found['clients']} clients, {found['minutes']:g} minutes, {requests} requests, "
             f"{found['prompt_tokens']} tokens of prompts ({reused:.1%} reused), processors busy {found['load']:.0%}; "
             f"{found['machine']['cores']} processors ({found['machine']['cpu']}), {found['date']}", "",
             "| what must hold | limit | found | |", "|---|---|---|---|"]
    lines += [f"| {one['what']} | {one['limit']} | {one['found']} | {'yes' if one['holds'] else '**NO**'} |"
              for one in found["judged"]]
    lines += ["", "| up to minute | requests | first token, median | 99th percentile | tokens computed for it "
              "| a token at best | resident | descriptors | threads | cells used | cells held | store |",
              "|" + "---|" * 12]
    lines += [f"| {row['minute']} | {row['requests']} | {row['first_p50_ms']:.0f} ms | {row['first_p99_ms']:.0f} ms "
              f"| {row['computed_tokens']} | {row['token_ms'] or '-'} ms | {row['rss_mib']:.1f} MiB "
              f"| {row['descriptors']:.0f} | {row['threads']:.0f} "
              f"| {row['cells_used']:.0f} | {row['cells_held']:.0f} | {row['store_mib']:.0f} MiB |"
              for row in found["parts"]]
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(found["requests"].items(), key=lambda one: -one[1]))
    lines += ["", f"Requests: {kinds}. Compared: {found['compared']}, of which {len(found['ties'])} were ties of two "
              "tokens."]
    lines += [f"Wrong: {one}" for one in found["wrong"]] + [f"Error: {one}" for one in found["errors"]]
    return "\n".join(lines)
