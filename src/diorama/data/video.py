"""Cameras on disk: H.264 and AV1 through PyAV (an extra), or lossless PNG inside the data files.

PyAV is imported only where a video is written or read. Encoders run without B-frames and with a key frame every
``gop`` frames, so that files of several episodes are joined without encoding again and any frame is found quickly.
"""

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from diorama.core.errors import ConfigError, DataError
from diorama.data.guard import refusing, require

_DECODERS = ("h264", "libdav1d", "av1", "hevc", "vp9", "libaom-av1", "mpeg4")
_SIDE = 16384


@dataclass(frozen=True)
class H264:
    """H.264 video through libx264: constant rate factor ``crf`` (0 to 51), key frame every ``gop`` frames."""

    crf: int = 30
    gop: int = 2
    preset: str = "veryfast"

    dtype = "video"
    encoder = "libx264"
    name = "h264"

    @property
    def options(self) -> dict[str, str]:
        """The encoder's options."""
        # Without scene cuts and B-frames the pictures leave in their order and the time stamps need no shift.
        return {"crf": str(self.crf), "preset": self.preset, "bf": "0", "sc_threshold": "0"}


@dataclass(frozen=True)
class Av1:
    """AV1 video through SVT-AV1: ``crf`` (0 to 63), key frame every ``gop`` frames, speed ``preset`` (0 to 13)."""

    crf: int = 30
    gop: int = 2
    preset: int = 12

    dtype = "video"
    encoder = "libsvtav1"
    name = "av1"

    @property
    def options(self) -> dict[str, str]:
        """The encoder's options."""
        return {"crf": str(self.crf), "preset": str(self.preset), "svtav1-params": "lp=1"}


@dataclass(frozen=True)
class Png:
    """Lossless pictures inside the data files; zlib ``level`` 0 to 9. Needs no PyAV."""

    level: int = 4

    dtype = "image"
    name = "png"


Images = H264 | Av1 | Png


def images_of(choice: Images | str) -> Images:
    """The storage of pictures by name (``h264``, ``av1``, ``png``) or as an object. Raises `ConfigError`."""
    if isinstance(choice, (H264, Av1, Png)):
        return choice
    known = {kind.name: kind for kind in (H264, Av1, Png)}
    if choice not in known:
        raise ConfigError(f"Pictures cannot be stored as {choice!r}; choose one of {sorted(known)}.")
    return known[choice]()


def pyav() -> ModuleType:
    """The ``av`` module with its log silenced; raises `ConfigError` where it is not installed."""
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 otherwise talks on stderr at each file
    try:
        import av
    except ImportError as error:
        raise ConfigError("Video needs PyAV; run: pip install 'diorama[video]'.") from error
    av.logging.set_level(av.logging.PANIC)
    return av


@contextlib.contextmanager
def _refusing(what: str | Path) -> Iterator[None]:
    av = pyav()
    try:
        with refusing(what):
            yield
    except av.error.FFmpegError as error:
        raise DataError(f"{what} is no readable video ({error.strerror}); restore it from a copy.") from error


def check_encoder(images: Images) -> None:
    """Raise `ConfigError` where this machine cannot encode ``images``."""
    if isinstance(images, Png):
        return
    av = pyav()
    try:
        av.codec.Codec(images.encoder, "w")
    except av.codec.codec.UnknownCodecError as error:
        choices = "another of h264, av1, png"
        raise ConfigError(
            f"This PyAV has no encoder {images.encoder}; choose {choices} or install PyAV's wheel."
        ) from error


def rate_of(fps: float) -> Fraction:
    """The frame rate as a ratio of small integers [1/s]."""
    return Fraction(fps).limit_denominator(1001)


def encode_video(path: Path, frames: np.ndarray, fps: float, images: H264 | Av1) -> None:
    """Write frames uint8 [T, H, W, 3] as an MP4 in which frame k is shown at k / fps seconds.

    Raises `DataError` for odd sizes (yuv420p halves them) and for other than 3 channels.
    """
    _, height, width, channels = frames.shape
    even = channels == 3 and height % 2 == 0 and width % 2 == 0
    require(even, f"Video needs 3 channels and even sides, not {frames.shape[1:]}; pad the pictures or use Png().")
    av = pyav()
    rate = rate_of(fps)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream(images.encoder, rate=rate, options=images.options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = images.gop
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = 1 / rate
        for k, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = k, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def stream_header(path: Path) -> tuple[str, bytes, int]:
    """What must agree for two files to be joined: codec, decoder set-up, time scale. Raises `DataError`."""
    with _refusing(path), pyav().open(str(path), format="mov,mp4,m4a,3gp,3g2,mj2") as container:
        track = container.streams.video[0]
        require(track.codec_context is not None, f"{path} is coded in no way that this PyAV knows; use H.264 or AV1.")
        return track.codec_context.name, bytes(track.codec_context.extradata or b""), track.time_base.denominator


def join_videos(path: Path, parts: Sequence[tuple[Path, int]], fps: float) -> None:
    """Join MP4 files of one codec as they are; ``parts`` are (file, number of frames). Raises `DataError`."""
    av = pyav()
    with _refusing(path), av.open(str(path), "w", format="mp4") as output:
        stream, before = None, 0
        for part, length in parts:
            with av.open(str(part), format="mov,mp4,m4a,3gp,3g2,mj2") as source:
                track = source.streams.video[0]
                stream = stream or output.add_stream_from_template(track, opaque=True)
                shift = round(before / rate_of(fps) / track.time_base)
                for packet in source.demux(track):
                    if packet.dts is not None:
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = stream
                        output.mux(packet)
            before += length


class VideoReader:
    """One MP4 file, open for decoding. Raises `DataError` where it is no video of ``shape`` (H, W, 3)."""

    def __init__(self, path: Path, shape: tuple[int, int, int], fps: float) -> None:
        self.path, self.shape, self.fps = path, shape, fps
        with _refusing(path):
            self.container = pyav().open(str(path), format="mov,mp4,m4a,3gp,3g2,mj2")
            self.stream = self._checked_stream()

    def _checked_stream(self) -> Any:
        tracks = self.container.streams.video
        require(len(tracks) == 1, f"{self.path} has {len(tracks)} video tracks, not one; restore it from a copy.")
        context = tracks[0].codec_context
        require(context is not None, f"{self.path} is coded in no way that this PyAV knows; use H.264 or AV1.")
        require(context.name in _DECODERS, f"{self.path} is coded as {context.name!r}; use one of {_DECODERS}.")
        size = (context.height, context.width)
        fits = size == self.shape[:2] and self.shape[2] == 3 and max(size) <= _SIDE
        require(fits, f"{self.path} is {size[0]} x {size[1]} RGB, info.json says {self.shape}; correct info.json.")
        context.thread_count = 1
        return tracks[0]

    def frames(self, origin: float, start: int, stop: int) -> np.ndarray:
        """Frames [start, stop) counted from the time ``origin`` [s], uint8 [T, H, W, 3].

        Raises `DataError` where frames are missing, come at other times than k / fps, or do not decode.
        """
        size = self.path.stat().st_size
        require(
            stop - start <= size, f"{self.path} of {size} bytes cannot hold {stop - start} frames; refused as absurd."
        )
        with _refusing(self.path):
            return self._decode(round(origin * self.fps), start, stop)

    def _decode(self, first: int, start: int, stop: int) -> np.ndarray:
        rate = rate_of(self.fps)
        found: dict[int, np.ndarray] = {}
        base = self.stream.time_base
        # Half a frame of slack keeps a time stamp that was rounded up from hiding its key frame.
        self.container.seek(max(0, int((first + start + 0.5) / rate / base)), stream=self.stream, backward=True)
        for frame in self.container.decode(self.stream):
            require(frame.pts is not None, f"{self.path} has a frame without a time; encode it again.")
            at = frame.pts * base * rate
            k = round(at) - first
            if k >= stop:
                break
            if k >= start:
                require(abs(at - round(at)) < 0.1, f"{self.path} has frames off the grid of k / fps; encode it again.")
                require(
                    (frame.height, frame.width) == self.shape[:2], f"{self.path} changes its size; encode it again."
                )
                require(not frame.is_corrupt, f"{self.path} has a broken frame; restore it from a copy.")
                found[k] = frame.to_ndarray(format="rgb24")
            if len(found) == stop - start:
                break
        if missing := [k for k in range(start, stop) if k not in found]:
            raise DataError(f"{self.path} lacks {len(missing)} of {stop - start} frames; restore it from a copy.")
        return (
            np.stack([found[k] for k in range(start, stop)]) if stop > start else np.empty((0, *self.shape), np.uint8)
        )

    def close(self) -> None:
        """Close the file."""
        self.container.close()


def decode_still(content: bytes, shape: tuple[int, int, int], what: str) -> np.ndarray:
    """The uint8 picture [H, W, C] in PNG or JPEG bytes, through PyAV. Raises `DataError`."""
    kinds = {b"\x89PNG": "png", b"\xff\xd8\xff": "mjpeg"}
    kind = next((name for start, name in kinds.items() if content.startswith(start)), None)
    require(kind, f"{what} is neither PNG nor JPEG; store pictures as PNG.")
    av = pyav()
    with _refusing(what):
        with av.open(io.BytesIO(content), format={"png": "png_pipe", "mjpeg": "jpeg_pipe"}[kind]) as container:
            context = container.streams.video[0].codec_context
            size = (context.height, context.width)
            require(size == shape[:2], f"{what} is {size[0]} x {size[1]}, not {shape}; correct info.json.")
            frame = next(container.decode(video=0), None)
        require(frame is not None, f"{what} holds no picture; restore it from a copy.")
        layout = {1: "gray", 3: "rgb24", 4: "rgba"}[shape[2]]
        return frame.to_ndarray(format=layout).reshape(shape)
