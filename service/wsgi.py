"""Creates the application that a web server loads in each of its workers.

`granian --interface rsgi service.wsgi:front` is what scripts/serve.py runs; any WSGI server runs `service.wsgi:app`.
"""

from service.api.health import keep_telling
from service.app import create_app
from service.config import Settings
from service.observability.logging import configure

settings = Settings.from_environment()
configure(settings.log_level, settings.log_format, settings.process)
app = create_app(settings)
front = app.extensions["front"]
app.extensions["watching"].log.hold()
if settings.worker:  # one of several, started by scripts/serve.py
    keep_telling(app.extensions["wiring"])
