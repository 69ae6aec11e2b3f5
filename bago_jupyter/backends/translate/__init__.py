"""Chat completions and Anthropic messages told in each other's words, for backends that speak one of both."""

from .translation import CHAT_TO_MESSAGES, MESSAGES_TO_CHAT, Translation

__all__ = ["CHAT_TO_MESSAGES", "MESSAGES_TO_CHAT", "Translation"]
