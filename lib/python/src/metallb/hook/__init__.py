"""The shell around the module's hooks: their configuration, their files, what is not pure in them.

A hook file names its bindings and one function of `metallb.domain`; the rest is here.
"""
