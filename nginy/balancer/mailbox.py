"""Mailboxes: how workers ask the policy process, and how control sees whether it works."""

from nginy._fast.mailroom import (
    ATTEMPT,
    MAX_QUESTIONS,
    NONE,
    RAISED,
    SESSION,
    UNUSED,
    WRONG,
    MailboxWatch,
    Mailroom,
    Question,
    mailbox_create,
)

__all__ = [
    "ATTEMPT",
    "MAX_QUESTIONS",
    "NONE",
    "RAISED",
    "SESSION",
    "UNUSED",
    "WRONG",
    "MailboxWatch",
    "Mailroom",
    "Question",
    "mailbox_create",
]
