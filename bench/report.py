"""The one JSON shape of every benchmark, and a table of it."""

import json
import os
import pathlib
import platform
import statistics


class Report:
    def __init__(self, model):
        self._rows = {}
        self._ratios = {}
        self._model = model

    def add(self, who, case, value, unit):
        """One measurement."""
        self._rows.setdefault((case, unit), {}).setdefault(who, []).append(value)

    def ratio(self, name, value):
        """A named figure beside those that compare two servers."""
        self._ratios[name] = round(value, 4)

    def median(self, who, case):
        (values,) = (values for (name, _), values in self._rows.items() if name == case)
        return statistics.median(values[who])

    def as_json(self):
        rows, ratios = [], {}
        for (case, unit), by_who in self._rows.items():
            for who, values in by_who.items():
                rows.append({"who": who, "case": case, "n": len(values),
                             "median": round(statistics.median(values), 5),
                             "min": round(min(values), 5), "max": round(max(values), 5),
                             "unit": unit})
            theirs = [who for who in by_who if who != "anyclaude"]
            if theirs and "anyclaude" in by_who:
                divisor = statistics.median(by_who[theirs[0]])
                if divisor:
                    ratios[case] = round(statistics.median(by_who["anyclaude"]) / divisor, 4)
        return {"machine": machine(), "model": self._model, "rows": rows,
                "ratios": ratios | self._ratios}

    def write(self, path):
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n")

    def print(self):
        report = self.as_json()
        for row in report["rows"]:
            print(f"{row['case']:<24}{row['who']:<14}{row['median']:>12.4g} {row['unit']:<10}"
                  f"({row['min']:.4g} to {row['max']:.4g}, n={row['n']})")
        for name, value in report["ratios"].items():
            print(f"{name:<24}{'ratio':<14}{value:>12.4g}")


def machine():
    model = ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            model = next((line.split(":", 1)[1].strip() for line in info
                          if line.startswith("model name")), "")
    except OSError:
        pass
    return {"cpu": model or platform.processor(), "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "system": f"{platform.system()} {platform.machine()}",
            "load_at_end": round(os.getloadavg()[0], 2)}
