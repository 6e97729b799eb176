"""What each address answers: a function of the request, one module for each thing that is shown. Nothing here knows of HTTP."""
