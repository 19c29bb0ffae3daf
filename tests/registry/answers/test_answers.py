"""Debt, lineage, difference, page, channels; each also in words and as canonical JSON."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from registry_story import Maker

from diorama.core import DataError
from diorama.core.canonical import canonical
from diorama.registry.channels import current, history, rollback
from diorama.registry.debt import debt
from diorama.registry.difference import Change, difference
from diorama.registry.explain import explain
from diorama.registry.lineage import lineage
from diorama.registry.records import ChannelEntry, Replay, Revocation
from diorama.registry.render import text

DAY_S = 86400.0


def test_debt_counts_patches_data_and_days(story) -> None:
    m = story.maker
    m.say(story.advisory())
    real = m.versions[story.data]
    dreamt = m.add("dataset", "push-t/dreamt", ("data_from", story.v1), frames=3000)
    edges = ("derived_from", story.b, {"relation": "finetune"}), ("trained_on", dreamt), ("trained_on", story.data)
    tuned = m.add("policy", "push-t/b", *edges)
    again = m.add("policy", "push-t/b", ("derived_from", tuned, {"relation": "finetune"}))
    found = debt(m.graph(), again, now=real.created + 3 * DAY_S)
    assert (found.patch_depth, found.since_full_build, found.full_build) == (2, 2, story.b)
    assert found.unreplayed == ("friction-1",)
    assert (found.generated_share, found.share_unit) == (0.75, "frames")
    assert (found.calibration_days, found.calibrated_by) == (pytest.approx(3.0), story.data)
    assert debt(m.graph(Replay("friction-1", again, 1, 2)), again, 0.0).unreplayed == ()
    assert "75.0% of its data were made by learned worlds" in text(found)


def test_a_full_build_ends_the_chain_of_patches(story) -> None:
    m = story.maker
    merged = m.add("simulator", "push-t/world", ("derived_from", story.v2, {"relation": "distil"}), release=3)
    found = debt(m.graph(), merged, 0.0)
    assert (found.patch_depth, found.since_full_build, found.full_build) == (1, 0, merged)
    nothing = debt(m.graph(), story.low, 0.0)
    assert (nothing.generated_share, nothing.calibration_days) == (None, None)
    assert "no real data" in text(nothing)


def test_lineage_goes_both_ways(story) -> None:
    graph = story.maker.graph()
    up = lineage(graph, story.claim_b)
    ids = {story.claim_b, story.score_b, story.b, story.v1, story.tests, story.data, story.reality}
    assert {node.id for node in up.nodes} == ids
    assert text(up).splitlines()[1] == f"  supports: evaluation push-t/score-b {story.score_b[:12]}"
    down = lineage(graph, story.v1, "down", depth=1)
    assert down.cut and {node.depth for node in down.nodes} == {0, 1}
    assert ("derived_from", "patch") in {(link.role, link.relation) for link in down.links}
    assert not lineage(graph, story.v1, "down", depth=9).cut
    with pytest.raises(DataError, match="up or down"):
        lineage(graph, story.v1, "sideways")


def test_a_difference_names_fields_edges_metrics_and_episodes(story) -> None:
    m = story.maker
    one, two = "1" * 64, "2" * 64
    tables = {
        one: {"seed": [1, 2, 3], "success": [1.0, 1.0, 0.0]},
        two: {"seed": [3, 2, 1], "success": [1.0, 0.0, 1.0]},
    }
    for key, policy in ((one, story.a), (two, story.b)):
        edges = ("evaluates", policy), ("evaluated_in", story.v2)
        estimates = {"success": {"value": 0.5 + 0.1 * int(key[0])}}
        m.add("evaluation", "push-t/paired", *edges, blobs={"episodes.json": key}, estimates=estimates)
    graph = m.graph()
    worlds = difference(graph, story.v1, story.v2)
    assert worlds.fields == (Change("config.layers[1]", 2, 3),)
    assert [(e.where, e.role, e.target) for e in worlds.edges] == [("after", "derived_from", story.v1)]
    found = difference(graph, story.a, story.b, read=lambda digest: json.dumps(tables[digest]).encode())
    paired = next(pair for pair in found.paired if pair.seeds)
    assert ([f.seed for f in paired.negative], [f.seed for f in paired.positive], paired.seeds) == ([2], [3], 3)
    assert paired.estimates == (0.6, 0.7)
    assert "of 3 equal seeds 1 (2) from success to failure" in text(found)
    assert text(difference(graph, story.low, story.low)).endswith("They do not differ.")


def test_episodes_in_a_parquet_table_are_compared_too(story) -> None:
    m, tables = story.maker, {}
    for key, policy, won in (("1" * 64, story.a, [True, True]), ("2" * 64, story.b, [True, False])):
        held = io.BytesIO()
        parquet.write_table(
            pa.table({"seed": [7, 8], "metric.success": [float(w) for w in won], "wall_s": [1.0, 2.0]}), held
        )
        tables[key] = held.getvalue()
        edges = ("evaluates", policy), ("evaluated_in", story.v2)
        m.add("evaluation", "push-t/many", *edges, blobs={"episodes.parquet": key}, k=key)
    found = difference(m.graph(), story.a, story.b, read=tables.__getitem__)
    (paired,) = (pair for pair in found.paired if pair.seeds)
    assert (paired.metric, [f.seed for f in paired.negative], paired.positive) == ("success", [8], ())
    tables["1" * 64] = b"no table"
    with pytest.raises(DataError, match="cannot be read"):
        difference(m.graph(), story.a, story.b, read=tables.__getitem__)


def test_a_damaged_table_of_episodes_is_named() -> None:
    m = Maker()
    policy = m.add("policy", "p")
    one = m.add("evaluation", "e", ("evaluates", policy), blobs={"episodes.json": "0" * 64})
    with pytest.raises(DataError, match="need one seed"):
        difference(m.graph(), one, one, read=lambda digest: b'{"score": [1.0]}')


def test_a_page_says_everything(story) -> None:
    m = story.maker
    m.say(story.advisory())
    m.say(ChannelEntry("prod", story.b, "first"))
    m.say(ChannelEntry("prod", story.a, "quieter"))
    page = explain(m.graph(Revocation(story.b, "leaked")), story.b, now=0.0)
    assert (page.former_channels, page.channels, page.revoked) == (("prod",), (), "leaked")
    assert (page.measured, page.claims, page.cost.wall_s) == ((story.score_b,), (story.claim_b,), 200.0)
    words = text(page)
    for part in ("REVOKED: leaked", "INVALID", "trained_in: simulator push-t/world", "200.0 s", "Debt of push-t/b"):
        assert part in words
    assert canonical(page)


def test_a_rollback_names_its_debris(story) -> None:
    m = story.maker
    m.say(ChannelEntry("prod", story.v1, "first"))
    m.say(ChannelEntry("prod", story.v2, "patched"))
    dreamt = m.add("dataset", "push-t/dreamt", ("data_from", story.v2))
    c = m.add("policy", "push-t/c", ("trained_in", story.v2))
    d = m.add("policy", "push-t/d", ("trained_on", dreamt))
    score = m.add("evaluation", "push-t/score-d", ("evaluates", d), ("evaluated_in", story.v1))
    m.build(c, wall_s=1.0)
    found = rollback(m.graph(), "prod")
    assert (found.to, found.rolled_back) == (story.v1, (story.v2,))
    assert {(one.id, one.role, one.direct) for one in found.debris} == {
        (dreamt, "data_from", True),
        (c, "trained_in", True),
        (d, "trained_on", False),
    }
    assert [one.id for one in found.measures] == [score]
    assert found.entry == ChannelEntry("prod", story.v1, f"rollback from {story.v2[:12]}")
    assert f"policy push-t/d {d[:12]}: it was trained on {dreamt[:12]}, so indirectly" in text(found)
    assert canonical(found)


def test_a_channel_keeps_its_history(story) -> None:
    m = story.maker
    m.say(ChannelEntry("prod", story.a, "first"))
    with pytest.raises(DataError, match="one version only"):
        rollback(m.graph(), "prod")
    m.say(ChannelEntry("prod", story.b, "better"))
    graph = m.graph(ChannelEntry("prod", story.a, "worse after all"))
    assert current(graph, "prod") == story.a
    assert [turn.until for turn in history(graph, "prod").turns] == [2000.0, 3000.0, None]
    assert "by ada: better" in text(history(graph, "prod"))
    with pytest.raises(DataError, match="has not pointed at"):
        rollback(graph, "prod", to=story.v1)
    with pytest.raises(DataError, match="There is no channel 'beta'"):
        history(graph, "beta")


def test_only_answers_have_words() -> None:
    with pytest.raises(DataError, match="no answer of the registry"):
        text(3)
