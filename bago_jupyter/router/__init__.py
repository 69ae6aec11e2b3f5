"""The mind of a node: which backend gets a request. Pure: time, loads and health are arguments."""

from .affinity import Affinity, prefix_of
from .breaker import Breaker, Breakers
from .fair import FairQueue, Ticket
from .inputs import Inputs, Row
from .load import Lateness, Load
from .offer import Offer, Table
from .plan import Plan, plan, survey
from .policy import POLICIES, Policy
from .shape import Shape
from .weights import Weights

__all__ = [
    "POLICIES",
    "Affinity",
    "Breaker",
    "Breakers",
    "FairQueue",
    "Inputs",
    "Lateness",
    "Load",
    "Offer",
    "Plan",
    "Policy",
    "Row",
    "Shape",
    "Table",
    "Ticket",
    "Weights",
    "plan",
    "prefix_of",
    "survey",
]
