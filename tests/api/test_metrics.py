"""GET /metrics, and the Grafana dashboard that is made for it."""

import json
import pathlib
import re

from daemon import wait_for

DASHBOARD = pathlib.Path(__file__).parent.parent.parent / "docs/grafana.json"
QUESTION = {"model": "m", "max_tokens": 20, "messages": [{"role": "user", "content": "Anything for the metrics?"}]}


def exported(daemon):
    """Each series' name, as Prometheus would have it, and the types by metric."""
    reply = daemon.request("GET", "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = reply.body.decode()
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    names = set(re.findall(r"^(\w+)(?:\{[^}]*\})? \S+$", text, re.M))
    return names, types


def expressions(dashboard):
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_each_series_has_a_type_and_a_name_by_the_conventions(daemon):
    names, types = exported(daemon)
    assert len(names) > 30
    for name in names:
        metric = re.sub(r"_(bucket|sum|count)$", "", name) if name not in types else name
        assert types[metric] in ("counter", "gauge", "histogram"), name
        assert name.endswith("_total") == (types[metric] == "counter"), name


def test_what_grafana_shows_is_exported(daemon):
    dashboard = json.loads(DASHBOARD.read_text())
    names, types = exported(daemon)
    asked = expressions(dashboard) + [variable["query"]["query"] for variable in dashboard["templating"]["list"]
                                      if variable["type"] == "query"]
    shown = set(re.findall(r"anyclaude_\w+", " ".join(asked)))
    assert shown <= names, f"nobody exports {shown - names}"
    assert len(shown) > 20
    # Only what grows has a rate.
    for inside in re.findall(r"(?:rate|increase)\((anyclaude_\w+)", " ".join(asked)):
        assert inside.endswith(("_total", "_bucket")), inside
    for expression in expressions(dashboard):
        assert expression.count("(") == expression.count(")") > 0
        assert expression.count("{") == expression.count("}") > 0


def test_panels_do_not_lie_on_each_other():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < 24 and (x, y) not in taken, f"{panel['title']} lies on {taken.get((x, y))}"
                taken[x, y] = panel["title"]
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_the_first_token_is_counted_as_warm_or_cold(daemon):
    def counts():
        metrics = daemon.metrics()
        return [metrics[f'anyclaude_time_to_first_token_seconds_count{{prompt="{kind}"}}'] for kind in ("cold", "warm")]

    cold, warm = counts()
    question = {**QUESTION, "system": "What stands here has not been said before. " * 20}
    assert daemon.ask(question).status == 200
    wait_for(lambda: counts() == [cold + 1, warm], "the first counts as cold")
    assert daemon.ask(question).status == 200
    wait_for(lambda: counts() == [cold + 1, warm + 1], "the second counts as warm")
