"""The table of docs/performance.md, from what tests/bench/run measured. Pure: text in, text out."""

import report

BEGIN = "<!-- written by tests/bench/publish: begin -->"
END = "<!-- written by tests/bench/publish: end -->"


def with_results(page, measured):
    """The page with the part between the marks replaced."""
    before, found, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"the page has no part that begins with {BEGIN} and ends with {END}")
    return f"{before}{BEGIN}\n\n{results(measured)}\n\n{END}{after}"


def results(measured):
    """Where and how it was measured, and the table of ratios."""
    machine, options = measured["machine"], measured["options"]
    lines = [f"{options['rounds']} interleaved rounds on {machine['processors']} processors for "
             f"everything, Linux {machine['kernel']}, at commit `{measured['commit']}`."]
    disturbed = report.disturbed(measured["background_processors"])
    if disturbed:
        lines += ["", "**The machine was not quiet**: something else was running before "
                  f"{disturbed} of {len(measured['background_processors'])} measurements. Not even "
                  "ratios mean much then."]
    lines += ["", "| what | median (min-max) | to reach | aim | |", "|---|---|---|---|---|"]
    lines += ["| " + " | ".join(_cells(entry)) + " |" for entry in measured["ratios"]]
    return "\n".join(lines)


def _cells(entry):
    bounds = ["", ""]
    if "bound" in entry:
        sign = "≥" if entry["bound"] == "min" else "≤"
        bounds = [f"{sign} {entry[key]:g}" for key in ("reach", "aim")]
    if "not_measured" in entry:
        return [entry["what"], "not measured", *bounds, entry["not_measured"]]
    spread = f"{entry['median']:.2f} ({entry['min']:.2f}-{entry['max']:.2f})"
    return [entry["what"], spread, *bounds, entry.get("verdict", "")]
