"""BGP-4: octets in, octets and events out. Pure.

    iana ◄ errors ◄ capabilities ◄ open ◄ messages    framing, and every message but UPDATE
         ◄ prefixes ◄ attributes ◄ update             UPDATE, with RFC 7606's verdicts

A peer's octets raise `NotificationError` and nothing else.
"""
