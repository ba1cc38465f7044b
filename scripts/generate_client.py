"""Write the generated part of the client library, from openapi.json and `stepiq.client.aio`. Takes no arguments."""

from client_library import writing

if __name__ == "__main__":
    writing.write()
