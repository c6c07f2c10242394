<?php
// Sends one raw message with PHPMailer. The job is JSON on standard input (see clients.py);
// prints the dialogue, exits 1 when the server refuses. Only the building of the message is left
// out; connecting, STARTTLS, AUTH, envelope, line ends and dot-stuffing are PHPMailer's own.

ini_set('memory_limit', '1G');
require '/usr/share/php/libphp-phpmailer/src/Exception.php';
require '/usr/share/php/libphp-phpmailer/src/PHPMailer.php';
require '/usr/share/php/libphp-phpmailer/src/SMTP.php';

class RawMailer extends PHPMailer\PHPMailer\PHPMailer
{
    public function sendRaw($raw)
    {
        [$this->MIMEHeader, $body] = explode("\r\n\r\n", $raw, 2);
        $this->MIMEBody = preg_replace('/\r\n\z/', '', $body);  // data() ends every line itself
        return $this->postSend();
    }
}

$job = json_decode(stream_get_contents(STDIN), true);
$mailer = new RawMailer();
$mailer->isSMTP();
$mailer->Host = $job['host'];
$mailer->Port = $job['port'];
$mailer->SMTPAutoTLS = false;
$mailer->SMTPSecure = ['starttls' => 'tls', 'implicit' => 'ssl', 'none' => ''][$job['tls']];
$mailer->SMTPOptions = ['ssl' => ['cafile' => $job['authority']]];
$mailer->SMTPAuth = $job['login'] !== '';
$mailer->Username = $job['login'];
$mailer->Password = $job['password'];
$mailer->SMTPDebug = PHPMailer\PHPMailer\SMTP::DEBUG_SERVER;
$mailer->Debugoutput = function ($line, $level) {
    if (str_contains($line, 'SERVER -> CLIENT')) {
        echo rtrim($line), "\n";
    }
};
$mailer->Sender = $job['mail_from'];
foreach ($job['recipients'] as $recipient) {
    $mailer->addAddress($recipient);
}
$sent = $mailer->sendRaw(file_get_contents($job['file']));
$mailer->smtpClose();
if (!$sent) {
    echo $mailer->ErrorInfo, "\n";
    exit(1);
}
