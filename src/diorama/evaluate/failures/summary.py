"""A page of text about how a policy fails."""

from collections.abc import Sequence

from diorama.evaluate.failures.clusters import Clusters
from diorama.evaluate.failures.hidden import BlindSpot
from diorama.evaluate.failures.records import Records
from diorama.evaluate.failures.slices import Slice
from diorama.evaluate.statistics.binomial import wilson


def page(title: str, records: Records, slices: Sequence[Slice], clusters: Clusters, spots: Sequence[BlindSpot]) -> str:
    """What a person should know first: hidden modes, all modes, where failures gather, where episodes ended."""
    failures = int(records.failed.sum())
    lines = [title, "", f"{failures} of {len(records)} episodes failed: {wilson(failures, len(records))}"]
    lines += ["", *_hidden(spots), "", "Modes", *_modes(spots, clusters)]
    lines += ["", "Where failures gather (corrected for every slice looked at)", *_slices(slices)]
    for column, said in (("phase", "Last phase reached by failures"), ("cause", "Why failed episodes ended")):
        lines += ["", said, *(f"  {count:4d}  {name}" for name, count in records.counts(column).items())]
    return "\n".join(lines)


def _hidden(spots: Sequence[BlindSpot]) -> list[str]:
    if not any(spot.hidden for spot in spots):
        return ["No other world was asked, so what worlds hide is unknown."]
    everywhere = [spot for spot in spots if spot.everywhere]
    if not everywhere:
        return ["No mode is hidden by all worlds."]
    return ["HIDDEN BY ALL WORLDS: only reality shows these", *(f"  {_mode(spot)}" for spot in everywhere)]


def _mode(spot: BlindSpot) -> str:
    named = f"{spot.mode.label} ({spot.mode.seed})" if spot.mode.seed else spot.mode.label
    return f"{named}: {len(spot.mode.episodes)} episodes"


def _modes(spots: Sequence[BlindSpot], clusters: Clusters) -> list[str]:
    stable = (
        f"  {clusters.count} clusters of endings, adjusted Rand index {clusters.stability:.2f} "
        f"[{clusters.low:.2f}, {clusters.high:.2f}] over bootstrap samples"
    )
    lines = [stable if clusters.count > 1 else "  no stable clusters of endings; each failure goes by its own label"]
    for spot in spots:
        lines.append(f"  {_mode(spot)}, e.g. seeds {', '.join(str(s) for s in spot.mode.episodes[:3])}")
        lines += [
            f"      {'hidden by' if name in spot.hidden_by else 'seen in  '} {name}: {share.value:.0%} of replays "
            f"succeed [{share.low:.2f}, {share.high:.2f}]"
            for name, share in spot.hidden.items()
        ]
    return lines


def _slices(slices: Sequence[Slice]) -> list[str]:
    if not slices:
        return ["  none is shown"]
    return [
        f"  {one}: {one.error:.0%} fail [{one.low:.2f}, {one.high:.2f}] of {one.count}, {one.rest:.0%} elsewhere, "
        f"p {one.p_value:.3f}"
        for one in slices
    ]
