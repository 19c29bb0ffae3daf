"""Who an episode is: an exact digest, a motion sketch, perceptual hashes, and the Merkle root of a dataset.

Every digest can be recomputed from any LeRobot dataset; none depends on the order in which episodes were appended,
on files or on index columns. Sources: Broder 1997 (MinHash); Merkle 1987 (hash trees); Zauner 2010 (DCT hash).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from diorama.data.features import Feature

IDS = ("session", "scene", "object", "operator", "robot")
"""Names of the identifiers that an episode may carry."""
_POINTS, _LEVELS, _HASHES = 32, 8, 64
_KEYFRAMES = 4
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class EpisodeIdentity:
    """What identifies an episode, in hexadecimal digits.

    ``exact``: SHA-256; ``motion``: 64 MinHash values of 32 bit, "" without actions; ``percept``: per camera, 64-bit
    hashes of 4 frames; ``ids``: session, scene, object, operator, robot where known.
    """

    exact: str
    motion: str = ""
    percept: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)


def identity_keys(features: Mapping[str, Feature]) -> list[str]:
    """The columns that make up ``exact``: action, all observation vectors and timestamp, sorted by name."""
    return sorted(
        key
        for key, feature in features.items()
        if not feature.is_camera
        and feature.dtype != "string"
        and (key in ("action", "timestamp") or key.startswith(("action.", "observation.")))
    )


def exact_digest(columns: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over the columns [T, ...] sorted by name, as little-endian bytes.

    Floats are hashed as float32, integers as int64, bools as uint8, so that a conversion of the storage type alone does
    not make another episode. Name, type and shape of each column are hashed too.
    """
    digest = hashlib.sha256(b"diorama episode 1\n")
    for key in sorted(columns):
        values = columns[key]
        kind = {"f": "<f4", "i": "<i8", "u": "<i8", "b": "|u1"}[values.dtype.kind]
        with np.errstate(over="ignore"):
            canonical = np.ascontiguousarray(values, dtype=kind)
        digest.update(f"{key}\0{kind}\0{canonical.shape}\n".encode())
        digest.update(canonical.tobytes())
    return digest.hexdigest()


def _mix(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser, a bijection of 64-bit words (Steele, Lea and Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def motion_sketch(action: np.ndarray) -> str:
    """MinHash of the quantised, time-normalised action trajectory [T, *shape]; "" where there is no action.

    Each entry is resampled to 32 instants and quantised to 8 levels of its own range, so speed and scale drop out;
    the range itself enters as one token in half octaves. 64 values of 32 bit, in hexadecimal.
    """
    flat = action.reshape(len(action), -1).astype(np.float64)
    if not flat.size:
        return ""
    at = np.linspace(0, len(flat) - 1, _POINTS)
    path = np.stack([np.interp(at, np.arange(len(flat)), entry) for entry in flat.T], axis=1)
    low, reach = path.min(0), np.ptp(path, axis=0)
    still = reach <= 1e-6 * np.maximum(1.0, np.abs(low))
    level = np.where(still, 0, np.minimum((path - low) / np.where(still, 1, reach) * _LEVELS, _LEVELS - 1)).astype(int)
    octave = np.where(still, -99, np.round(2 * np.log2(np.where(still, 1, reach)))).astype(int)
    table = np.concatenate([level, 1000 + octave[None]]).astype(np.uint64)
    rows, entries = np.indices(table.shape).astype(np.uint64)
    with np.errstate(over="ignore"):
        tokens = _mix((entries << np.uint64(32)) + (rows << np.uint64(16)) + table + _GOLDEN).reshape(-1)
        seeds = _mix(np.arange(1, _HASHES + 1, dtype=np.uint64) * _GOLDEN)
        smallest = _mix(tokens[None, :] ^ seeds[:, None]).min(axis=1)
    return (smallest >> np.uint64(32)).astype(">u4").tobytes().hex()


def keyframes(length: int) -> list[int]:
    """The frames of an episode that are hashed: evenly spaced, first and last included."""
    return [round(k * (length - 1) / (_KEYFRAMES - 1)) for k in range(_KEYFRAMES)]


def picture_hash(picture: np.ndarray) -> str:
    """64-bit perceptual hash of a uint8 picture [H, W, C], in hexadecimal: signs of the lowest 8 x 8 DCT terms.

    The picture is made grey and averaged down to 32 x 32; each term is compared with the median of the terms.
    """
    grey = picture[..., :3].mean(axis=-1)
    small = _average(_average(grey, 32).T, 32).T
    k, n = np.arange(8)[:, None], np.arange(32)[None]
    cosines = np.cos(np.pi * k * (2 * n + 1) / 64)
    terms = np.round(cosines @ small @ cosines.T, 3).reshape(-1)
    bits = terms > np.median(terms[1:])
    return np.packbits(bits).tobytes().hex()


def _average(values: np.ndarray, size: int) -> np.ndarray:
    """Area average of the first axis down (or nearest-neighbour up) to ``size`` rows."""
    edges = np.linspace(0, len(values), size + 1)
    starts = np.minimum(np.floor(edges[:-1]).astype(int), len(values) - 1)
    stops = np.maximum(np.ceil(edges[1:]).astype(int), starts + 1)
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    return (total[stops] - total[starts]) / (stops - starts)[:, None]


def motion_similarity(left: str, right: str) -> float:
    """Estimated Jaccard similarity in [0, 1] of two motion sketches; 0 where one is missing. Above 0.6: near copies."""
    if not left or len(left) != len(right):
        return 0.0
    a, b = (np.frombuffer(bytes.fromhex(sketch), ">u4") for sketch in (left, right))
    return float((a == b).mean())


def hamming_distance(left: str, right: str) -> int:
    """Number of different bits, 0 to 64, of two picture hashes. At most 10: near copies."""
    return (int(left, 16) ^ int(right, 16)).bit_count()


def merkle_root(leaves: Sequence[str]) -> str:
    """Root of the hash tree over hexadecimal leaves in order, with separate prefixes for leaves and nodes."""
    level = [hashlib.sha256(b"\0" + leaf.encode()).digest() for leaf in leaves]
    if not level:
        return hashlib.sha256(b"diorama empty dataset").hexdigest()
    while len(level) > 1:
        pairs = [level[k : k + 2] for k in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\1" + b"".join(pair)).digest() if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0].hex()


def near_duplicates(episodes: Sequence[EpisodeIdentity], least: float = 0.6) -> list[tuple[int, int, float]]:
    """Pairs (i, j, similarity) of episodes with equal ``exact`` (1.0) or motion similarity of at least ``least``."""
    if not episodes:
        return []
    sketches = [bytes.fromhex(episode.motion or "00" * 4 * _HASHES) for episode in episodes]
    table = np.frombuffer(b"".join(sketches), ">u4").reshape(len(episodes), -1)
    moving = np.array([bool(episode.motion) for episode in episodes])
    exact = np.array([episode.exact for episode in episodes])
    pairs = []
    for i in range(len(episodes)):
        similarity = (table[i + 1 :] == table[i]).mean(axis=1) * moving[i] * moving[i + 1 :]
        similarity[exact[i + 1 :] == exact[i]] = 1.0
        pairs += [(i, i + 1 + int(j), float(similarity[j])) for j in np.flatnonzero(similarity >= least)]
    return pairs
