"""What the web server loads in each of its workers: `granian --interface wsgi service.wsgi:app`."""

from service.app import create_app

app = create_app()
