"""BFD (RFC 5880) as a pure core: datagrams and time in, datagrams and events out.

iana        numbers and names              errors      why a datagram was dropped
packet      the control packet             authentication   its last section
config      how a session is to work       machine     the state machine, as a table
session     one session                    timing      the intervals, and how they change
echo        the echo function of one       events      what they send and tell
sessions    all sessions of a node, demultiplexing
"""
