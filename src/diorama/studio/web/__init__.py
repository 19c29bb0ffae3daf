"""The web application: one authentication layer, an API, and pages that ask the API's own functions.

`create_app` (in `app`) takes `Services` and gives the application; interactive play plugs in there. Nothing here is
imported before ``diorama studio`` runs, so that FastAPI stays an extra (``pip install 'diorama[studio]'``).
"""
