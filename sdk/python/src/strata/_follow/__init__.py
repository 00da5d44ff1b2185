"""The client's side of the config stream.

It keeps an environment's configuration as new as its server has it, over any
number of lost connections, and never gives up or takes back what it has. Of
evaluation it knows nothing but that configurations are compiled for it.

Two configurations are kept apart. The replicated one is the newest that was
received whole; it is what the server continues from. The active one runs, and is
another one only while what was received since can not be run.
"""
