"""Prices: adjustments of a whole integration, and the price of a single model.

The set of multipliers is that of the API (PricingMultiplier in its public specification), which
refuses any other name.
"""

from typing import Annotated, Literal, TypeAlias

from reconciler.domain.facts import Amount, StrictModel
from reconciler.domain.model import Field

PRICING = "pricing_adjustments"
"""Field of an integration that holds its multipliers."""

Multiplier: TypeAlias = Annotated[
    Amount | None, Field(description="Factor on the list price; 1 keeps it, null inherits.")
]


class ImageMultiplier(StrictModel):
    """Factors on the price of generated images."""

    default: Multiplier = None


class PricingMultiplier(StrictModel):
    """Factors on list prices; missing ones are inherited from `default`."""

    default: Multiplier = None
    request_token: Multiplier = None
    response_token: Multiplier = None
    cache_read_input_token: Multiplier = None
    cache_write_input_token: Multiplier = None
    cache_read_audio_input_token: Multiplier = None
    request_audio_token: Multiplier = None
    response_audio_token: Multiplier = None
    reasoning_token: Multiplier = None
    prediction_accepted_token: Multiplier = None
    prediction_rejected_token: Multiplier = None
    request_image_token: Multiplier = None
    response_image_token: Multiplier = None
    request_text_token: Multiplier = None
    response_text_token: Multiplier = None
    cache_read_image_input_token: Multiplier = None
    cache_read_text_input_token: Multiplier = None
    cache_write_text_input_token: Multiplier = None
    cache_write_image_input_token: Multiplier = None
    image: ImageMultiplier | None = Field(None, description="Factors on generated images.")
    additional_units: dict[str, Multiplier] | None = Field(
        None, description="Factors on charges per unit, for example `web_search`."
    )


class PricingAdjustments(StrictModel):
    """Adjustments to the list prices of this integration, for cost reports and budgets."""

    multiplier: PricingMultiplier | None = Field(None, description="Factors by kind of token.")


class TokenPrice(StrictModel):
    """Price of one token."""

    price: Amount | None = Field(None, description="Price of a token.")


class PayAsYouGo(StrictModel):
    """Prices by direction."""

    request_token: TokenPrice | None = Field(None, description="Price of tokens sent.")
    response_token: TokenPrice | None = Field(None, description="Price of tokens received.")


class PricingConfig(StrictModel):
    """Price of a model, in place of the listed price."""

    type: Literal["static"] | None = Field(None, description="Method of pricing.")
    pay_as_you_go: PayAsYouGo | None = Field(None, description="Price by use.")
