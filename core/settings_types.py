"""What the tables of the configuration are made of."""

from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, Strict

from core.secret import Secret, hidden_text
from core.settings_rules import check_header_name, check_name, check_text

Whole = Annotated[int, Strict()]
Real = Annotated[float, Strict()]
Text = Annotated[str, Strict()]
Flag = Annotated[bool, Strict()]
Seconds = Annotated[float, Strict(), Field(ge=0.001, le=86_400)]
Name = Annotated[Text, AfterValidator(check_name)]
ReadOnly = (
    AfterValidator(MappingProxyType),
    PlainSerializer(lambda mapping: {key: str(value) for key, value in mapping.items()}),
)
ReadOnlyNumbers = (AfterValidator(MappingProxyType), PlainSerializer(dict))
ChildKind = Literal[
    "connection", "normalizer", "detector", "writer", "monitor", "journal", "recoverer", "replayer",
    "webhook", "chaos",
]  # fmt: skip
"""Kinds of actors that the supervisor owns."""
HiddenText = Annotated[Secret, BeforeValidator(hidden_text)]
HeaderName = Annotated[Text, AfterValidator(check_header_name)]
FilledText = Annotated[Text, AfterValidator(check_text)]


class Table(BaseModel):
    """One table of the configuration."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, hide_input_in_errors=True
    )
