"""Medians, ratios, tables. No input or output: numbers in, text out."""

import statistics

LABELS = {
    "plain": "plain forwarding, no queue",
    "naive": "naive local accept",
    "tuned": "tuned local accept",
    "sluice": "Sluice, remote decision",
}

# (text, numerator, denominator, phase, key, "min" or "max", reach, then aim at):
# the targets of the project.
TARGETS = [
    ("pps ÷ tuned local", "sluice", "tuned", "throughput", "packets_per_second", "min", 0.85, 0.95),
    ("pps ÷ naive local", "sluice", "naive", "throughput", "packets_per_second", "min", 1.25, 1.4),
    ("CPU per packet ÷ tuned local", "sluice", "tuned", "throughput", "cpu_us_per_packet", "max",
     1.25, 1.15),
    ("p99 ÷ tuned local", "sluice", "tuned", "latency", "p99_us", "max", 2.2, 1.6),
]
# Without targets; they say how the others stand.
RATIOS = [
    ("p50 ÷ tuned local", "sluice", "tuned", "latency", "p50_us"),
    ("pps ÷ plain", "sluice", "plain", "throughput", "packets_per_second"),
    ("tuned local: pps ÷ plain", "tuned", "plain", "throughput", "packets_per_second"),
    ("naive local: pps ÷ tuned local", "naive", "tuned", "throughput", "packets_per_second"),
]


def spread(values):
    """Median, least and most."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarize(rounds):
    """[{setup: {phase: {key: number}}}] -> {setup: {phase: {key: spread}}}."""
    summary = {}
    for name in rounds[0]:
        summary[name] = {}
        for phase in ("throughput", "latency"):
            keys = rounds[0][name][phase].keys()
            summary[name][phase] = {
                key: spread([r[name][phase][key] for r in rounds]) for key in keys}
            summary[name][phase]["lost_share"] = spread(
                [_share(r[name][phase]["lost"], r[name][phase]["sent"]) for r in rounds])
    return summary


def ratios(rounds):
    """Each ratio within its round, as the machine's speed drifts from round to round."""
    result = []
    for text, over, under, phase, key, *target in TARGETS + RATIOS:
        if over not in rounds[0] or under not in rounds[0]:
            continue
        values = [_share(r[over][phase][key], r[under][phase][key]) for r in rounds]
        entry = {"what": text, "over": over, "under": under, **spread(values)}
        if target:
            which, reach, aim = target
            lost = any(r[over][phase]["lost"] for r in rounds)
            entry.update(reach=reach, aim=aim, bound=which,
                         verdict=_verdict(entry["median"], which, reach, aim, lost))
        result.append(entry)
    return result


def added_p50(rounds):
    """Microseconds that asking adds to the median round trip, over tuned local."""
    if "sluice" not in rounds[0] or "tuned" not in rounds[0]:
        return None
    return spread([r["sluice"]["latency"]["p50_us"] - r["tuned"]["latency"]["p50_us"]
                   for r in rounds])


def disturbed(rounds):
    """How many measurements began while other programs were at work, and how many there are.

    Idle time is counted in hundredths of a second, so a fifth of a second tells no less than
    this from nothing.
    """
    background = [measured.get("background_processors", 0)
                  for r in rounds for phases in r.values() for measured in phases.values()]
    return sum(processors > 0.25 for processors in background), len(background)


def tables(rounds, in_flight, rate):
    """The report, as people read it."""
    summary = summarize(rounds)
    lines = [f"As fast as it goes, {in_flight} in flight (a round trip is two packets)", ""]
    lines += _table(
        ["", "packets/s", "lost", "CPU µs/packet", "processors busy"],
        [[LABELS[name],
          _text(s["throughput"]["packets_per_second"], lambda v: f"{v / 1e3:.1f}k"),
          _lost(s["throughput"]),
          _text(s["throughput"]["cpu_us_per_packet"], lambda v: f"{v:.2f}"),
          f"{s['throughput']['cpu_busy']['median']:.2f}"] for name, s in summary.items()])
    lines += ["", f"At {rate} packets/s", ""]
    lines += _table(
        ["", "round trip p50 µs", "p99 µs", "lost", "CPU µs/packet"],
        [[LABELS[name],
          _text(s["latency"]["p50_us"], lambda v: f"{v:.0f}"),
          _text(s["latency"]["p99_us"], lambda v: f"{v:.0f}"),
          _lost(s["latency"]),
          _text(s["latency"]["cpu_us_per_packet"], lambda v: f"{v:.1f}")]
         for name, s in summary.items()])
    entries = ratios(rounds)
    if entries:
        lines += ["", "Ratios, each within its round", ""]
        lines += _table(
            ["", "median (min-max)", "to reach", "aim", ""],
            [[("" if ":" in e["what"] else "Sluice: ") + e["what"],
              _text(e, lambda v: f"{v:.2f}"),
              *([("≥ " if e["bound"] == "min" else "≤ ") + f"{e[k]:g}" for k in ("reach", "aim")]
                if "reach" in e else ["", ""]),
              e.get("verdict", "")] for e in entries])
    added = added_p50(rounds)
    if added:
        lines += ["", f"Asking adds {_text(added, lambda v: f'{v:.0f}')} µs to the median round"
                  " trip (two questions), over tuned local."]
    return "\n".join(lines)


def _verdict(value, bound, reach, aim, lost):
    def met(limit):
        return value >= limit if bound == "min" else value <= limit
    if not met(reach):
        return "NOT reached"
    if lost:
        return "NOT reached: lost packets"
    return "reached, and the aim" if met(aim) else "reached"


def _share(part, whole):
    return part / whole if whole else 0.0


def _text(values, form):
    return f"{form(values['median'])} ({form(values['min'])}-{form(values['max'])})"


def _lost(phase):
    if phase["lost"]["max"] == 0:
        return "0"
    return (f"{phase['lost']['median']:.0f} = {phase['lost_share']['median']:.2%}"
            f" (most {phase['lost_share']['max']:.2%})")


def _table(head, rows):
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    return ["  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                      for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
            for row in [head] + rows]
