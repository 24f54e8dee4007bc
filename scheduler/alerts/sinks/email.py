"""Sends an alert as a plain-text mail, through an SMTP server or the machine's own sendmail."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
from email.message import EmailMessage
from email.utils import formatdate

from scheduler.alerts.alert import Alert
from scheduler.alerts.sinks import sink
from scheduler.alerts.sinks.secrets import Resolved
from scheduler.model.alerts import Email

Options = Email


def send(alert: Alert, options: Options) -> None:
    """Hand the mail over; raises SinkFailed, also if the server refuses one of the addresses."""
    resolved = Resolved()
    filled = resolved.options(options)
    try:
        mail = message(alert, filled)
    except ValueError as error:
        resolved.fail("an address of the mail is wrong", error)
    if filled.server:
        by_smtp(mail, filled, resolved)
    else:
        by_sendmail(mail, filled, resolved)


def message(alert: Alert, options: Options) -> EmailMessage:
    """The mail. The identity of the alert is its Message-ID: a second delivery is the same mail."""
    mail = EmailMessage()
    mail["From"], mail["To"] = options.from_, ", ".join(options.to)
    mail["Subject"] = " ".join(alert.title().split())
    mail["Date"] = formatdate(alert.at)
    mail["Message-ID"] = f"<{''.join(c if c.isascii() and c.isalnum() else '.' for c in alert.id)}@celery-scheduler>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(alert.text() + "\n")
    return mail


def by_smtp(mail: EmailMessage, options: Options, resolved: Resolved) -> None:
    """Send through the server; encryption that was asked for and is missing is an error."""
    where = f"the SMTP server {options.server}:{options.port}"
    tls = ssl.create_default_context()
    try:
        with (
            smtplib.SMTP_SSL(options.server, options.port, timeout=sink.SEND_TIMEOUT_S, context=tls)
            if options.security == "tls"
            else smtplib.SMTP(options.server, options.port, timeout=sink.SEND_TIMEOUT_S)
        ) as server:
            if options.security == "starttls":
                server.starttls(context=tls)
            if options.user:
                server.login(options.user, options.password)
            refused = server.send_message(mail)
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except smtplib.SMTPResponseException as error:
        answer = error.smtp_error
        said = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
        resolved.fail(f"{where} refused the mail", f"{error.smtp_code} {said}")
    except TimeoutError:
        resolved.fail(f"{where} does not answer within {sink.SEND_TIMEOUT_S:g} s")
    except (OSError, smtplib.SMTPException) as error:
        resolved.fail(f"{where} does not take the mail", getattr(error, "strerror", None) or error)
    if refused:
        address, (code, said_bytes) = next(iter(refused.items()))
        resolved.fail(f"{where} refused {address}", f"{code} {said_bytes.decode('utf-8', 'replace')}")


def by_sendmail(mail: EmailMessage, options: Options, resolved: Resolved) -> None:
    """Give the mail to sendmail on its standard input."""
    # The addresses come from the header (-t), so that none is taken for an option.
    command = [options.sendmail, "-oi", "-t"]
    try:
        done = subprocess.run(command, input=bytes(mail), capture_output=True, timeout=sink.SEND_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        resolved.fail(f"{options.sendmail} takes longer than {sink.SEND_TIMEOUT_S:g} s")
    except OSError as error:
        resolved.fail(f"{options.sendmail} cannot be started", error.strerror)
    if done.returncode:
        resolved.fail(f"{options.sendmail} ended with {done.returncode}", done.stderr.decode("utf-8", "replace"))
