"""The mind of a node: which backend gets a request. Pure: time, loads and health are arguments."""

from .breaker import Breaker, Breakers
from .load import Load
from .offer import Offer, Table
from .plan import Plan, plan
from .policy import POLICIES, Policy
from .shape import Shape

__all__ = ["POLICIES", "Breaker", "Breakers", "Load", "Offer", "Plan", "Policy", "Shape", "Table", "plan"]
