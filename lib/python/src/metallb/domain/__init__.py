"""Decisions that two programs share: which class, what a Service asks for, which nodes are
eligible.
"""
