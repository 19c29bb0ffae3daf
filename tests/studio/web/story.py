"""A registry that lives through a story: worlds, policies, tests, an advisory, a patch. Scores are made up."""

import json

from diorama.evaluate.audit import Verdict
from diorama.evaluate.gate import Evaluated, GateFacts, Release, decide
from diorama.evaluate.statistics.estimate import Estimate
from diorama.recipes.book import Book
from diorama.recipes.gate_record import gate_record
from diorama.registry.records import Advisory, ChannelEntry, Edge, Manifest

HOSTILE = "<script>alert(1)</script>"


class Story:
    """A registry that lives through the story, with made-up scores."""

    def __init__(self, book: Book) -> None:
        self.book, self.add = book, lambda *given: book.registry.register(Manifest(*given)).id
        self.data = self.add("dataset", "push-t/all", {"episodes": 3, "world": HOSTILE, "merkle_root": "0" * 64})
        self.low = self.add("dataset", "push-t/low", {"episodes": 3, "merkle_root": "1" * 64})
        self.real = self.add("simulator", "push-t/reality", {"stands_for": "reality", "origin": "physics"})
        self.v1 = self.add("simulator", "push-t/world", {"origin": "learned"}, {}, (Edge("trained_on", self.data),))
        self.a = self.policy("push-t/a", self.v1, 0.0)
        self.b = self.policy("push-t/b", self.v1, 0.9)
        self.test_a, self.test_b = self.test(self.a, "a", 3), self.test(self.b, "b", 15)
        self.log(ChannelEntry("prod", self.b, "first release"))

    def log(self, entry: object) -> None:
        self.book.registry.append(entry)

    def policy(self, name: str, world: str, friction: float) -> str:
        histogram = {
            "edges": [0.5],
            "counts": [8, 0] if friction < 0.5 else [0, 8],
            "least": friction,
            "most": friction,
        }
        edges = (Edge("trained_in", world), Edge("trained_on", self.low if name.endswith("a") else self.data))
        return self.add("policy", name, {"visited": {"factors": {"friction": histogram}}}, {}, edges)

    def test(self, policy: str, name: str, good: int) -> str:
        table = {"seed": list(range(20)), "success": [seed < good for seed in range(20)]}
        blob = self.book.registry.add_blob(json.dumps(table).encode())
        estimate = {"value": good / 20, "low": max(0, good / 20 - 0.2), "high": min(1, good / 20 + 0.2), "count": 20}
        fields = {"n": 20, "length": 10, "estimates": {"success": estimate}}
        edges = (Edge("evaluates", policy), Edge("evaluated_in", self.real))
        return self.add("evaluation", f"push-t/{name}/evaluation", fields, {"episodes.json": blob}, edges)

    def advise(self, *fixed: str) -> None:
        region = {"factors": {"friction": [0.6, 1.0]}}
        self.log(Advisory("ice", "blocks slide", "high", (self.v1,), region, fixed, (self.data,)))

    def patch(self) -> None:
        edge = Edge("derived_from", self.v1, {"relation": "patch"})
        self.v2 = self.add("simulator", "push-t/world", {"origin": "learned", "n": 2}, {}, (edge,))
        self.advise(self.v2)

    def decide(self, policy: str) -> str:
        """The gate refuses a policy that was tested in one world; the id of the record."""
        protocol = Release("push-t", 0.6, "lab")
        rate = Estimate(0.75, 0.53, 0.89, 20, 0.95, "wilson")
        worlds = (Evaluated(self.test_b, "push-t/world", "learned/ensemble", rate, Verdict.CONTAMINATED, "C1 knows."),)
        facts = GateFacts(policy, "push-t/b", (), worlds, 1.0, 1, hidden=("slips off",))
        return self.book.registry.register(gate_record(facts, decide(protocol, facts), protocol)).id
