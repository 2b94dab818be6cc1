"""Options of HDF-EOS5."""

from __future__ import annotations

from pydantic import Field

from creepmeter.model.options import Options


class EosOptions(Options):
    """What the name of an HDF-EOS5 file tells."""

    suffix: str | None = Field(None, pattern=r"^[A-Za-z0-9-]+$", description="Word at the end of the name, such as PS")
    update: bool = Field(default=False, description="Put XXXXXXXX in the name for the last date, of series that grow")
    subset: bool = Field(default=False, description="Put the area into the name: _N31700_N32100_E130500_E131100")
