"""A soak over time as SVG: small charts one below the other, readable on light and dark ground."""

import html
import statistics

WIDTH, LEFT, RIGHT = 760, 84, 150  # pixels; in the margins stand scales and names
TOP, HEIGHT, GAP = 84, 84, 34
BINS = 120  # points of a line, at most

STYLE = """
  text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; font-size: 13px }
  .title { font-size: 16px; font-weight: 600 }
  .quiet { fill: #59636e; font-size: 12px }
  .ground { fill: #ffffff; stroke: #d1d9e0 }
  .grid { stroke: #d1d9e0 } .warm { fill: #818b981f }
  .line { fill: none; stroke-width: 1.5; stroke-linejoin: round }
  .first { stroke: #0969da } .second { stroke: #bc4c00 }
  .of-first { fill: #0969da } .of-second { fill: #bc4c00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .quiet { fill: #9198a1 }
    .ground { fill: #0d1117; stroke: #3d444d }
    .grid { stroke: #3d444d }
    .first { stroke: #4493f8 } .second { stroke: #f0883e }
    .of-first { fill: #4493f8 } .of-second { fill: #f0883e }
  }
"""

# What a chart shows: its name, where its values stand, and of each line the value and its name. A point is the
# median of its bin.
CHARTS = [
    ("Time to the first token, ms", "latency", [("p50_ms", "median"), ("p99_ms", "99th percentile")]),
    ("Memory, MiB", "samples", [("rss_mib", "resident"), ("replay_mib", "of it answers")]),
    ("Cells of the KV cache", "samples", [("cells_used", "used"), ("cells_held", "held by requests")]),
    ("Files of the store, MiB", "samples", [("store_mib", "on the disk")]),
    ("Descriptors and threads", "samples", [("descriptors", "descriptors"), ("threads", "threads")]),
    ("Requests running and waiting", "samples", [("running", "running"), ("queued", "waiting")]),
]


def text(x, y, style, words, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">{html.escape(words)}</text>'


def points(samples, name, end):
    """(seconds, value) of each bin that has values."""
    bins = {}
    for sample in samples:
        bins.setdefault(int(sample["at"] / end * BINS), []).append((sample["at"], sample[name]))
    return [(statistics.median(at for at, _ in values), statistics.median(value for _, value in values))
            for _, values in sorted(bins.items())]


def round_top(value):
    """The next round number, for a scale."""
    step = 1
    while step * 10 < value:
        step *= 10
    return next((step * factor for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * factor >= value), step * 10)


def one_chart(found, title, source, lines, top, end):
    across = WIDTH - LEFT - RIGHT
    drawn = [(points(found[source], name, end), label) for name, label in lines]
    most = round_top(max((value for line, _ in drawn for _, value in line), default=1))
    bottom = top + HEIGHT
    warm = across * found["warm_up_minutes"] * 60 / end
    svg = [text(LEFT, top - 8, "", title),
           f'<rect x="{LEFT}" y="{top}" width="{warm:.1f}" height="{HEIGHT}" class="warm"/>']
    for share in (0, 0.5, 1):
        y = bottom - share * HEIGHT
        svg += [f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + across}" y2="{y:.1f}" class="grid"/>',
                text(LEFT - 8, y + 4, "quiet", f"{share * most:,.10g}", "end")]
    for number, (line, _) in reversed(list(enumerate(drawn))):
        style = ("first", "second")[number]
        path = " ".join(f"{LEFT + across * at / end:.1f},{bottom - HEIGHT * value / most:.1f}" for at, value in line)
        svg.append(f'<polyline points="{path}" class="line {style}"/>')
    for number, (_, label) in enumerate(drawn):
        svg.append(text(LEFT + across + 10, top + 14 + 18 * number, f"of-{('first', 'second')[number]}", label))
    return svg


def svg(found):
    end = max(found["minutes"] * 60, found["samples"][-1]["at"])
    height = TOP + len(CHARTS) * (HEIGHT + GAP) + 34
    requests = sum(found["requests"].values())
    what = f"{found['clients']} clients for {found['minutes']:g} minutes: {requests:,} requests"
    machine = found["machine"]
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
           f'role="img" aria-labelledby="what">',
           f'<title id="what">{html.escape("Soak: " + what)}</title>', f"<style>{STYLE}</style>",
           f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6" class="ground"/>',
           text(20, 30, "title", what),
           text(20, 49, "quiet", f"{machine['cpu']}, {machine['cores']} processors, {found['load']:.0%} busy, "
                                 f"{found['date']}; grey: warm-up")]
    for number, (title, source, lines) in enumerate(CHARTS):
        out += one_chart(found, title, source, lines, TOP + 12 + number * (HEIGHT + GAP), end)
    across, bottom = WIDTH - LEFT - RIGHT, TOP + 12 + len(CHARTS) * (HEIGHT + GAP) - GAP
    for share in (0, 0.25, 0.5, 0.75, 1):
        out.append(text(LEFT + across * share, bottom + 18, "quiet", f"{share * end / 60:.3g} min", "middle"))
    return "\n".join([*out, "</svg>", ""])
