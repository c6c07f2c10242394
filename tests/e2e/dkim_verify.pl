#!/usr/bin/perl
# Verifies every DKIM signature of the message on standard input with Mail::DKIM, taking public keys
# from arguments NAME=TXT instead of DNS. Prints one line for each signature:
# domain, selector, algorithm, result (pass, fail, invalid, none) and the verifier's explanation.
use strict;
use warnings;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Net::DNS;

my %records = map { split /=/, $_, 2 } @ARGV;
{
    no warnings 'redefine';
    *Mail::DKIM::DNS::query = sub {
        my ($name, $type) = @_;
        return if $type ne 'TXT' || !exists $records{$name};
        return Net::DNS::RR->new(
            owner => $name, type => 'TXT', txtdata => [ unpack '(a255)*', $records{$name} ]
        );
    };
}

my $verifier = Mail::DKIM::Verifier->new;
binmode STDIN;
my $message = do { local $/; <STDIN> };
$verifier->PRINT($message);
$verifier->CLOSE;
for my $signature ($verifier->signatures) {
    print join("\t", $signature->domain, $signature->selector, $signature->algorithm,
        $signature->result, $signature->result_detail), "\n";
}
