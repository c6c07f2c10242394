// Sends one raw message with Nodemailer. The job is JSON on standard input (see clients.py);
// prints the server's last reply, exits 1 with the error when the server refuses.
'use strict';

const fs = require('fs');
const nodemailer = require('nodemailer');

const job = JSON.parse(fs.readFileSync(0, 'utf8'));
const transport = nodemailer.createTransport({
    host: job.host,
    port: job.port,
    secure: job.tls === 'implicit',
    requireTLS: job.tls === 'starttls',
    ignoreTLS: job.tls === 'none',
    auth: job.login ? { user: job.login, pass: job.password } : undefined,
    tls: job.authority ? { ca: fs.readFileSync(job.authority) } : undefined,
});
transport
    .sendMail({
        envelope: { from: job.mail_from, to: job.recipients, use8BitMime: true },
        raw: { path: job.file },
    })
    .then(info => {
        (info.rejectedErrors || []).forEach(error => console.log(error.message));
        console.log(info.response);
    })
    .catch(error => {
        console.log(error.message);
        process.exitCode = 1;
    });
