"""Stations of known motion, and the files that other programs would write of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from creepmeter.model.epoch import Epochs, years_since
from creepmeter.model.station import GEOGRAPHIC, Station

Floats = npt.NDArray[np.float64]
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
RATE = (0.031, -0.012, 0.004)  # east, north, up, m/yr


def days(count: int, start: str = "1999-11-20", step: int = 1) -> Epochs:
    """Return noons of days, through a leap year and over the turn of a century."""
    first = np.datetime64(start, "D") + np.arange(count) * step
    return (first + np.timedelta64(12, "h")).astype("datetime64[ns]")


def moved(times: Epochs, rate: Sequence[float] = RATE) -> Floats:
    return years_since(times, times[0])[:, None] * np.asarray(rate, np.float64)


def station(times: Epochs, displacement: Floats | None = None, sigma: float = 0.002, name: str = "TEST") -> Station:
    values = moved(times) if displacement is None else displacement
    return Station(name, 15.0, 46.0, GEOGRAPHIC, times, values, np.full(values.shape, sigma))


def flicker(count: int, size: float, random: np.random.Generator) -> Floats:
    """Return flicker noise made in the frequency domain: power falls with frequency."""
    longer = 4 * count  # a piece of a longer series is not periodic
    frequency = np.fft.rfftfreq(longer)
    frequency[0] = frequency[1]
    spectrum = np.fft.rfft(random.standard_normal(longer)) / np.sqrt(frequency)
    spectrum[0] = 0.0
    return np.asarray(size * np.fft.irfft(spectrum, longer)[:count], np.float64)


def ngl_day(time: np.datetime64) -> tuple[str, float, int]:
    """Return YYMMMDD, decimal year and modified Julian day."""
    year, month, day = str(time)[:10].split("-")
    mjd = int((time.astype("datetime64[D]") - np.datetime64("1858-11-17")) / np.timedelta64(1, "D"))
    return f"{year[2:]}{MONTHS[int(month) - 1]}{day}", 2000 + (mjd - 51544) / 365.25, mjd


def write_tenv3(path: Path, times: Epochs, displacement: Floats, *, placed: bool = True, name: str = "TEST") -> Path:
    """Write positions near 15.03 E, 46 N; whole metres change in the middle, as after a move of ten metres."""
    head = "site YYMMMDD yyyy.yyyy __MJD week d reflon _e0(m) __east(m) ____n0(m) _north(m) u0(m) ____up(m) _ant(m)"
    lines = [head + " sig_e(m) sig_n(m) sig_u(m) __corr_en __corr_eu __corr_nu _latitude _longitude __height"]
    for k, (time, (east, north, up)) in enumerate(zip(times, displacement, strict=True)):
        label, year, mjd = ngl_day(time)
        shift = 7 if k > len(times) // 2 else 0
        row = f"{name} {label} {year:.4f} {mjd} 1000 3 15.0 {2323 + shift} {east + 0.25 - shift:.6f} "
        row += f"5096000 {north + 0.5:.6f} {400} {up:.6f} 0.0 0.002 0.002 0.006 0.0 0.0 0.0"
        lines.append(f"{row} 46.0000000 {15.03 - 360.0:.7f} 400.0" if placed else row)
    return written(path, lines[0 if placed else 1 :])


def write_tenv(path: Path, times: Epochs, displacement: Floats, name: str = "TEST") -> Path:
    lines = []
    for time, (east, north, up) in zip(times, displacement, strict=True):
        label, year, mjd = ngl_day(time)
        lines.append(
            f"{name} {label} {year:.4f} {mjd} 1000 3 {east:.6f} {north:.6f} {up:.6f} 0.0 0.002 0.002 0.006 0.0 0.0 0.0"
        )
    return written(path, lines)


def write_pos(path: Path, times: Epochs, displacement: Floats, name: str = "TEST") -> Path:
    """Write a PBO file; north comes before east in it, and longitude runs to 360."""
    lines = [
        "PBO Station Position Time Series. Reference Frame : IGS14",
        "Format Version: 1.1.0",
        f"4-character ID: {name}",
        "*YYYYMMDD HHMMSS JJJJJ.JJJJ X Y Z Sx Sy Sz Rxy Rxz Ryz NLat Elong Height dN dE dU Sn Se Su Rne Rnu Reu Soln",
    ]
    for time, (east, north, up) in zip(times, displacement, strict=True):
        text = str(time)[:19].replace("-", "").replace(":", "").replace("T", " ")
        lines.append(
            f" {text} 53894.5 1 2 3 0 0 0 0 0 0 46.0 344.97 400.0 {north:.6f} {east:.6f} {up:.6f} "
            "0.002 0.003 0.006 0 0 0 final"
        )
    return written(path, lines)


def written(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
