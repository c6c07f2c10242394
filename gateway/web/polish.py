"""The explanations of replies in Polish, by tag; `gateway.replies` has the English ones."""

from __future__ import annotations

EXPLANATIONS: dict[str, str] = {
    "CONN-LIMIT": "Twój adres albo cała bramka ma już tyle połączeń, ile może mieć. Zamknij "
    "nieużywane połączenia, wysyłaj mniejszą ich liczbą naraz i spróbuj ponownie.",
    "SHUTDOWN": "Bramka jest właśnie uruchamiana ponownie lub wyłączana. Z pocztą wszystko w "
    "porządku; wyślij ją jeszcze raz.",
    "TIMEOUT": "Połączenie zbyt długo milczało albo było wolniejsze od najmniejszej dopuszczalnej "
    "prędkości.",
    "BATCH-IDLE": "Umowa pozwala na jedną otwartą transakcję naraz. Ta milczała, gdy inne Twoje "
    "połączenie czekało w kolejce, więc została zamknięta. Jej wiadomość nie została przyjęta; "
    "wyślij ją ponownie.",
    "TOO-MANY-ERRORS": "W sesji zebrało się więcej odrzuconych lub nieznanych poleceń, niż robi "
    "ich sprawny program.",
    "SYNTAX": "Bramka nie zna tego polecenia albo nie jest ono zapisane zgodnie z RFC 5321.",
    "LINE-TOO-LONG": "Wiersz polecenia może mieć 512 oktetów oraz to, co dodają ogłoszone "
    "rozszerzenia (RFC 5321).",
    "BAD-LINE": "Wiersze kończą się znakami CR LF i nie zawierają żadnego z nich osobno ani znaku "
    "NUL.",
    "ARGUMENTS": "Argumenty polecenia nie są zapisane zgodnie z RFC 5321.",
    "PARAMETER": "MAIL lub RCPT zawiera parametr ESMTP, którego nie było w odpowiedzi na EHLO.",
    "NOT-IMPLEMENTED": "Takie polecenie istnieje w SMTP, ale ta bramka go nie oferuje.",
    "SEQUENCE": "Polecenie przyszło w miejscu, w którym nie ma sensu; tekst mówi, co musi je "
    "poprzedzić.",
    "TLS-REQUIRED": "Tutaj poczta jest przyjmowana tylko połączeniem szyfrowanym. Włącz STARTTLS "
    "lub TLS w programie wysyłającym.",
    "AUTH-REQUIRED": "Podaj w programie wysyłającym login i hasło otrzymane od dostawcy.",
    "AUTH-BEFORE-TLS": "Hasło można by podsłuchać po drodze. Włącz STARTTLS lub TLS.",
    "AUTH": "Login jest nieznany, hasło jest błędne albo strumień podany po ukośniku nie istnieje.",
    "AUTH-LOCK": "Z Twojego adresu lub na Twój login było zbyt wiele nieudanych logowań. Popraw "
    "zapisane hasło i poczekaj do podanej godziny.",
    "AUTH-MECHANISM": "Dostępne są tylko mechanizmy wymienione w odpowiedzi na EHLO.",
    "AUTH-CANCELLED": "Program wysłał „*”, czyli przerwał logowanie.",
    "AUTH-ENCODING": "Nie udało się odkodować danych logowania (RFC 4954, punkt 4).",
    "AUTH-TEMP": "Chwilowo brakuje magazynu danych, którego potrzebuje bramka. Z hasłem wszystko "
    "w porządku.",
    "TERMINATED": "Operator zakończył usługę dla tego loginu. Skontaktuj się z dostawcą.",
    "CLIENT-ADDRESS": "Tutaj poczta jest przyjmowana tylko z zarejestrowanych adresów, a Twój do "
    "nich nie należy.",
    "SENDER-SYNTAX": "Adres w MAIL FROM nie jest skrzynką zapisaną zgodnie z RFC 5321, punkt "
    "4.1.2.",
    "SENDER": "Adres w MAIL FROM musi należeć do domeny, którą dostawca dla Ciebie zarejestrował. "
    "Pusty nadawca jest przyjmowany tylko w strumieniach transakcyjnych.",
    "DOMAIN-BLOCKED": "Wysyłanie z tej domeny zatrzymano z powodu naruszenia zasad usługi albo "
    "decyzją operatora. Odnośnik w odmowie prowadzi do sprawy: dlaczego, co zrobić, do kiedy. "
    "Jeśli go nie ma, skontaktuj się z dostawcą i podaj numer sprawy.",
    "TENANT-CLOSED": "Dostawca otworzy wysyłanie, gdy otrzyma potwierdzenia wymagane umową. Nic "
    "nie ginie: program wysyłający ponowi próbę.",
    "STREAM-CLOSED": "Ten Twój strumień jest wyłączony; może go otworzyć dostawca.",
    "BATCH-BUSY": "Umowa pozwala na jedną otwartą transakcję naraz, łącznie na wszystkich "
    "połączeniach. Wysyłaj jednym połączeniem; wiadomość, która przychodzi w trakcie innej, "
    "najpierw czeka w kolejce.",
    "BYTES": "Umowa ogranicza liczbę oktetów przekazanych w ciągu dowolnych 24 godzin (rozmiar "
    "razy liczba kopii). Miejsce wraca, gdy starsza poczta wychodzi z tego okna. Większą wysyłkę "
    "można zapowiedzieć 24 godziny wcześniej.",
    "TOO-BIG": "Wiadomość jest większa, niż może być jedna wiadomość, albo potrzebuje więcej niż "
    "cały dobowy limit bajtów.",
    "RATE": "Osiągnięto limit wiadomości lub odbiorców na minutę, godzinę albo dobę. Program "
    "wysyłający ponowi próbę.",
    "SMTPUTF8": "Poczta wymaga SMTPUTF8 (RFC 6531), którego serwer dostawcy nie oferuje.",
    "NEEDS-SMTPUTF8": "Adres zawiera znaki spoza ASCII, a MAIL nie poprosiło o SMTPUTF8 "
    "(RFC 6531).",
    "RCPT-SYNTAX": "Adres w RCPT TO nie jest skrzynką zapisaną zgodnie z RFC 5321, punkt 4.1.2; "
    "trasy źródłowe i zapis ze znakiem % są odrzucane.",
    "RCPT-LIMIT": "Wiadomość może mieć tylu odbiorców. Przyjęci pozostają; program zgodny z "
    "RFC 5321, punkt 4.5.3.1.10, wyśle resztę w kolejnej transakcji.",
    "RCPT-REFUSALS": "Tylu odrzuconych odbiorców w jednej transakcji wygląda na listę, której "
    "nigdy nie czyszczono, albo na zgadywanie adresów. Usuń z listy odrzucone adresy.",
    "UNSUB": "Odbiorca poprosił, aby nie dostawać tej poczty. Usuń adres z listy; cofnąć to może "
    "tylko nowsza zgoda samego odbiorcy.",
    "COMPLAINT": "Odbiorca zgłosił Twoją pocztę jako niechcianą. Usuń ten adres ze wszystkich "
    "list.",
    "PROTECTED": "Właściciel adresu lub całej domeny zastrzegł, że nie chce takiej poczty. Usuń "
    "adres; powtarzane próby prowadzą do blokady domeny nadawcy.",
    "BOUNCED": "Wcześniejsza poczta na ten adres wróciła jako niedoręczalna. Usuń adres z listy.",
    "NO-OPTIN": "Ten strumień może pisać tylko do osób, których zgodę zapisano. Zaimportuj zgody "
    "albo poproś osobę o potwierdzenie.",
    "PRE-CHECK": "Dostawca wymaga, aby w ciągu 24 godzin przed każdą wysyłką z tego strumienia "
    "sprawdzić listę („Brak zgód”). Sprawdź ją; oprogramowanie spróbuje ponownie i poczta dotrze "
    "do adresów, które przeszły sprawdzenie. Sam adres nie jest błędny: nie usuwaj go.",
    "POLICY": "Zasada usługi nie pozwala wysłać tej poczty. Więcej powie dostawca; podaj mu "
    "oznaczenie „ref”.",
    "NO-RECIPIENTS": "Przyszło DATA, choć nie przyjęto żadnego odbiorcy tej transakcji.",
    "FROM-ALIGN": "Wiadomość musi mieć dokładnie jedno pole From z jednym adresem, a From i "
    "Sender muszą należeć do domeny, którą dostawca dla Ciebie zarejestrował.",
    "BAD-MESSAGE": "Wiadomość nie jest zapisana zgodnie z RFC 5322; tekst mówi, co poprawić.",
    "LOOP": "Pola Received wskazują na pętlę pocztową.",
    "UNSUB-REQUIRED": "Poczta w strumieniu listy musi mieć działającą parę nagłówków wypisania "
    "(RFC 2369, RFC 8058). Bramka dodaje ją sama, o ile tego nie wyłączono.",
    "MEMORY": "Wiadomości w drodze zajmują całą przeznaczoną na nie pamięć bramki. Z Twoją "
    "wszystko w porządku.",
    "STORAGE": "Bramka nie może zapisać tego, co robi, więc nie robi nic. Poczta nie została "
    "przyjęta.",
    "TEMP": "Coś wewnątrz bramki nie odpowiedziało na czas. Z Twoją pocztą wszystko w porządku.",
    "NEXT-HOP-AWAY": "Nie udało się połączyć z serwerem poczty dostawcy. Poczta nie została "
    "przyjęta; wyślij ją ponownie.",
    "NEXT-HOP-BUSY": "Do serwera poczty dostawcy idzie właśnie tyle poczty, że dla Twojej zabrakło "
    "miejsca. Nie została przyjęta, ale wszystko z nią w porządku; wyślij ją ponownie.",
    "NEXT-HOP-SILENT": "Serwer poczty dostawcy przestał odpowiadać. Ponowna próba Twojego programu "
    "wyśle to, czego brakuje.",
    "NEXT-HOP": "Serwer poczty dostawcy nie przyjmuje samej bramki. Operator został powiadomiony; "
    "z Twoją pocztą wszystko w porządku.",
    "RELAY-TEMP": "Serwer poczty dostawcy odłożył pocztę na później; jego własne słowa stoją po "
    "znaczniku.",
    "RELAY-REFUSED": "Serwer poczty dostawcy odrzucił pocztę lub odbiorcę; jego własne słowa stoją "
    "po znaczniku.",
    "PARTIAL": "Kopie dla części odbiorców są już w drodze, dla innych jeszcze nie. Wyślij tę samą "
    "wiadomość ponownie: to, co przyjęto, nie zostanie wysłane drugi raz.",
}
