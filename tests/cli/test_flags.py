from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

import click
import pytest
from click.testing import CliRunner, Result
from pydantic import Field, field_validator, model_validator

from creepmeter.cli.flags import changed, options_from
from creepmeter.model.options import Options


class Tea(Options):
    """How tea is made."""

    water_ml: int = Field(200, ge=50, le=500, description="Water, millilitres")
    heat: float | None = Field(None, gt=0, lt=100.5, description="Heat, degrees")
    leaf: Literal["green", "black"] = Field("black", description="Kind of leaf")
    milk: bool = Field(True, description="With milk")
    herbs: tuple[str, ...] = Field(("mint",), description="Herbs")
    cup: str | None = Field(None, description="Name of the cup")
    secret: int = Field(7, description="Not a flag")

    @field_validator("leaf", mode="before")
    @classmethod
    def _no_coffee(cls, value: object) -> object:
        if value == "coffee":
            message = "coffee is no leaf"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _no_green_with_milk(self) -> Self:
        if self.leaf == "green" and self.milk:
            message = "green tea goes without milk"
            raise ValueError(message)
        return self


@click.command()
@options_from(Tea, rename={"water_ml": "--water"}, leave_out=("secret",))
def brew(options: Tea) -> None:
    """Make tea."""
    click.echo(options.model_dump_json())


Brew = Callable[..., Result]


@pytest.fixture
def call_brew() -> Brew:
    return lambda *arguments: CliRunner().invoke(brew, list(arguments))


def made(result: Result) -> Tea:
    assert result.exit_code == 0, result.output
    return Tea.model_validate_json(result.output)


def test_without_flags_the_defaults_hold(call_brew: Brew) -> None:
    assert made(call_brew()) == Tea()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--water", "300"], {"water_ml": 300}),
        (["--water-ml", "300"], {"water_ml": 300}),
        (["--heat", "80.5"], {"heat": 80.5}),
        (["--leaf", "green", "--no-milk"], {"leaf": "green", "milk": False}),
        (["--herbs", "sage, thyme"], {"herbs": ("sage", "thyme")}),
        (["--herbs", "sage", "--herbs", "thyme,rue"], {"herbs": ("sage", "thyme", "rue")}),
        (["--cup", "blue"], {"cup": "blue"}),
    ],
)
def test_a_flag_sets_its_field(call_brew: Brew, arguments: list[str], expected: dict[str, Any]) -> None:
    assert made(call_brew(*arguments)) == Tea(**expected)


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["--water", "600"], ["--water", "600", "50<=x<=500"]),
        (["--water", "much"], ["--water", "much"]),
        (["--heat", "0"], ["--heat", "0<x<100.5"]),
        (["--heat", "nan"], ["--heat", "nan"]),
        (["--leaf", "red"], ["--leaf", "'green' or 'black'", "'red'"]),
        (["--leaf", "coffee"], ["--leaf: coffee is no leaf"]),
        (["--leaf", "green"], ["green tea goes without milk"]),
        (["--secret", "8"], ["--secret"]),
    ],
)
def test_a_bad_value_is_wrong_usage_and_named(call_brew: Brew, arguments: list[str], texts: list[str]) -> None:
    result = call_brew(*arguments)
    assert result.exit_code == 2
    assert [text for text in texts if text not in result.output] == []


def test_the_help_shows_meaning_bounds_choices_and_default(call_brew: Brew) -> None:
    text = " ".join(call_brew("--help").output.split())
    shown = [
        "--water, --water-ml INTEGER RANGE Water, millilitres [default: 200; 50<=x<=500]",
        "--heat FLOAT RANGE Heat, degrees [0<x<100.5]",
        "--leaf [green|black] Kind of leaf [default: black]",
        "--milk / --no-milk With milk [default: milk]",
        "[default: mint]",
        "--cup TEXT Name of the cup",
    ]
    assert [part for part in shown if part not in text] == []
    assert "secret" not in text


def test_changed_options_are_checked_again() -> None:
    assert changed(Tea(), water_ml=60).water_ml == 60
    with pytest.raises(click.UsageError, match="--water-ml: Input should be less than or equal to 500"):
        changed(Tea(), water_ml=900)
