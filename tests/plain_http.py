"""httpx for programs on loopback that speak plain HTTP.

No certificates are read, which takes httpx some 30 ms a client, and no proxy of the machine's is
asked.
"""

from functools import partial

import httpx

get = partial(httpx.get, trust_env=False, verify=False)
post = partial(httpx.post, trust_env=False, verify=False)
delete = partial(httpx.delete, trust_env=False, verify=False)
request = partial(httpx.request, trust_env=False, verify=False)
Client = partial(httpx.Client, trust_env=False, verify=False)
AsyncClient = partial(httpx.AsyncClient, trust_env=False, verify=False)
