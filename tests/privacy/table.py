"""The game in writing: every attack and control by name, and what came of it."""

from collections.abc import Iterator, Sequence

from tests.privacy.game import SURE, Report, Result

HEAD = f"{'attack':116} {'pairs':>7} {'AUC':>6} {'p':>8} {'p, all':>8}  verdict"


def lines(report: Report, controls: Sequence[Result]) -> Iterator[str]:
    """The table, the surest attacks first; then the controls; then what the dump adds."""
    yield HEAD
    corrected = report.corrected
    for each in sorted(report.results, key=lambda result: result.verdict.p):
        if each.public:
            yield _line(each, None, "public anyway")
        else:
            p = corrected[each.attack]
            yield _line(each, p, "LEAK" if p < SURE else "no better than luck")
    yield ""
    yield HEAD.replace("attack", "control")[:116] + HEAD[116:]
    for each in controls:
        p = as_if_all(each, report)
        yield _line(each, p, "found" if p < SURE else "MISSED")
    yield ""
    yield "What the dump adds for a trained attacker, on members it has not seen:"
    for pairs, added in report.trained.items():
        yield (
            f"  {pairs:30} public pages {added.public:.3f}, with the dump {added.whole:.3f}, "
            f"adds {added.whole - added.public:+.3f}, by chance ±{added.spread:.3f}: "
            f"{'LEAK' if added.leaks else 'ok'}"
        )
    yield f"{len(report.results)} attacks, {len(report.leaks)} leaks"


def as_if_all(control: Result, report: Report) -> float:
    """p of a control as if all attacks had been tried beside it."""
    return min(1.0, control.verdict.p * len(report.results))


def _line(result: Result, corrected: float | None, verdict: str) -> str:
    p = "" if corrected is None else f"{corrected:.2g}"
    return (
        f"{result.attack:116} {result.pairs:7} {result.verdict.auc:6.3f} "
        f"{result.verdict.p:8.2g} {p:>8}  {verdict}"
    )
