"""Medians, ratios, tables. No input or output: numbers in, text out.

Rounds are [{measurement: {configuration: {key: number}}}]; `modules` are the measurements by
name, as measurements.ALL has them.
"""

import statistics

# The project's rule: a ratio of fewer rounds does not count.
ROUNDS_THAT_COUNT = 5


def spread(values):
    """Median, minimum and maximum."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def summarize(rounds):
    """{measurement: {configuration: {key: spread}}}, each over the rounds that have it."""
    collected = {}
    for one in rounds:
        for measurement, configurations in one.items():
            for configuration, numbers in configurations.items():
                for key, value in numbers.items():
                    (collected.setdefault(measurement, {}).setdefault(configuration, {})
                     .setdefault(key, []).append(value))
    return {m: {c: {k: spread(values) for k, values in keys.items()} for c, keys in cs.items()}
            for m, cs in collected.items()}


def ratios(rounds, modules, left_out):
    """Forms each ratio within its round, as the machine's speed drifts from round to round.

    `left_out` says what could not be measured: {(measurement, configuration or None): why}.
    """
    result = []
    for measurement, module in modules.items():
        for ratio in module.RATIOS:
            entry = {"what": ratio.what, "measurement": measurement}
            if ratio.bound:
                entry.update(bound=ratio.bound, reach=ratio.reach, aim=ratio.aim)
            found = [[_number(one, path) for path in ratio.paths()] for one in rounds]
            if any(None in numbers for numbers in found):
                entry["not_measured"] = _why(ratio, rounds, left_out)
            else:
                values = [_value(one, ratio) for one in rounds]
                entry.update(spread(values))
                if ratio.bound:
                    lost = any(_number(one, (*ratio.over[:2], "lost")) for one in rounds)
                    entry["verdict"] = _verdict(entry, lost, len(rounds))
            result.append(entry)
    return result


def disturbed(background):
    """How many measurements began while other programs kept processors busy.

    Idle time is counted in hundredths of a second, so in a fifth of a second no smaller share than
    this can be told from 0.
    """
    return sum(processors > 0.25 for processors in background)


def tables(rounds, modules, left_out):
    """The report, for people."""
    summary = summarize(rounds)
    lines = []
    for measurement, module in modules.items():
        if measurement in summary:
            lines += [module.TITLE, ""] + _measured(summary[measurement], module) + [""]
    for (measurement, configuration), why in left_out.items():
        what = f"{measurement}, {configuration}" if configuration else measurement
        lines.append(f"NOT MEASURED: {what}: {why}")
    if left_out:
        lines.append("")
    entries = ratios(rounds, modules, left_out)
    if entries:
        lines += ["Ratios, each within its round", ""]
        lines += _table(["", "median (min-max)", "to reach", "aim", ""],
                        [_ratio(entry) for entry in entries])
    return "\n".join(lines)


def _measured(configurations, module):
    """The table of one measurement, with what was lost beside every rate."""
    columns = [column for column in module.COLUMNS
               if any(column.key in keys for keys in configurations.values())]
    losses = any("lost" in keys for keys in configurations.values())
    rows = []
    # In the module's order, which the rotation of rounds does not keep.
    for name, label in module.CONFIGURATIONS.items():
        if name not in configurations:
            continue
        keys = configurations[name]
        cells = [_text(keys[column.key], column.form, column.scale) if column.key in keys else ""
                 for column in columns]
        rows.append([label] + cells + ([_lost(keys)] if losses else []))
    return _table(["", *(column.head for column in columns)] + (["lost"] if losses else []), rows)


def _ratio(entry):
    bounds = ["", ""]
    if "bound" in entry:
        sign = "≥" if entry["bound"] == "min" else "≤"
        bounds = [f"{sign} {entry[key]:g}" for key in ("reach", "aim")]
    if "not_measured" in entry:
        return [entry["what"], "not measured", *bounds, entry["not_measured"]]
    return [entry["what"], _text(entry, "{:.2f}"), *bounds, entry.get("verdict", "")]


def _number(one, path):
    measurement, configuration, key = path
    return one.get(measurement, {}).get(configuration, {}).get(key)


def _value(one, ratio):
    over = _number(one, ratio.over)
    if ratio.minus:
        over -= _number(one, ratio.minus)
    if ratio.under is None:
        return over
    under = _number(one, ratio.under)
    return over / under if under else 0.0


def _why(ratio, rounds, left_out):
    """Why a number of the ratio is missing in some round."""
    for path in ratio.paths():
        if any(_number(one, path) is None for one in rounds):
            measurement, configuration, _ = path
            for key in ((measurement, configuration), (measurement, None)):
                if key in left_out:
                    return left_out[key].splitlines()[0]
            return f"needs {measurement}" if not any(measurement in one for one in rounds) \
                else f"needs {measurement}, {configuration}"
    return ""


def _verdict(entry, lost, rounds):
    if rounds < ROUNDS_THAT_COUNT:
        return f"does not count: fewer than {ROUNDS_THAT_COUNT} rounds"

    def met(limit):
        return (entry["median"] >= limit if entry["bound"] == "min" else entry["median"] <= limit)
    if not met(entry["reach"]):
        return "NOT reached"
    if lost:
        return "NOT reached: lost packets"
    return "reached, and the aim" if met(entry["aim"]) else "reached"


def _text(values, form, scale=1.0):
    median, least, most = (form.format(values[key] * scale) for key in ("median", "min", "max"))
    return f"{median} ({least}-{most})"


def _lost(keys):
    if "lost" not in keys:
        return ""
    if keys["lost"]["max"] == 0:
        return "0"
    lost = f"{keys['lost']['median']:.0f} (most {keys['lost']['max']:.0f})"
    return f"{lost} of {keys['sent']['median']:.0f}" if "sent" in keys else lost


def _table(head, rows):
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    # Words are aligned left, numbers right.
    left = [0] + ([len(head) - 1] if head[-1] == "" else [])
    return ["  ".join(cell.ljust(width) if i in left else cell.rjust(width)
                      for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
            for row in [head] + rows]
