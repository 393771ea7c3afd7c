"""Lines that say how to reach or find somebody, and lines that only look as if they did.

All are made up: numbers and addresses come from ranges kept free for stories where there are some.
"""

WITH = """\
You can ring me on 07700 900123 any time.
my number is 07700900456
Call me: +44 7700 900 789
+1 (555) 010-9988 is my cell
text me at 555-010-4477
(020) 7946 0991 after six
Ruf mich an: 0151 23456789
meine Nummer ist 0176/1234 5678
Handy 0049 171 5550123
Erreichbar unter 030-5550199.
mi número es 612 345 678
llámame al +34 600 123 456
mon numéro c'est le 06 12 34 56 78
appelle-moi au 01.23.45.67.89
il mio numero è 347 123 4567
mijn nummer is 06-12345678
mój numer to 501 234 567
liga-me 912 345 678
0 7 7 0 0 9 0 0 1 2 3 that is my phone
o7700 900 321, first letter is a zero
WhatsApp 07700 900222
zero seven seven double zero nine zero zero one two three
My mobile: 07700-900-333, landline 01632 960 111
call me on 960555, local only
my number's 5550143
Text me 24/7, 5 5 5 0 1 0 3 3 2 1
Signal +49 30 5550123
tel. 044 668 18 00
Telefon: 01/5344567
00 33 6 12 34 56 78 si tu veux parler
write to sad.owl@example.org
sadowl99@gmail.com is where I am
mail: night_bird+help@example.co.uk
email me at owl at gmail dot com
owl (at) example (dot) org
owl[at]example[dot]net
schreib mir an eule@example.de
eule ät gmx punkt de
escríbeme a buho@example.es
mi correo: buho arroba gmail punto com
ecris-moi: hibou@example.fr
hibou arobase example point fr
scrivimi a gufo@example.it
mail naar uil@example.nl
napisz na sowa@example.pl
sadowl@gmail if you want
OWL@EXAMPLE.COM
My email is owl @ example . com
You can mail owl@sub.example.org, I read it at night
add me on snapchat
my insta is sad_owl_99
insta: sadowl.x
IG = night.bird
my snap: nightbird22
discord nightbird#1234
my Discord is nightbird
nightbird#0420 on discord
Find me on Telegram, same name
telegram: @night_bird
kik me: nightbird77
tiktok @nightbird.cries
follow me on Instagram @nightbird
dm me on twitter
Message me on Facebook, I am the one with the owl
my facebook name is Night Bird
skype id nightbird_1
Steam name: nightbird
PSN nightbird-55
my xbox gamertag is NightBird55
my reddit is u/nightbird
matrix @nightbird:example.org
threema id ABCD1234
wechat: nightbird88
line id: nightbird
schreib mir auf insta
mein Insta heißt nachtvogel_9
Telegram ist @nachtvogel
adde mich auf Discord
Snap: nachtvogel
mein Discord-Name ist nachtvogel
agrégame en instagram
mi insta es pajaro.noche
búscame en telegram
mi usuario de discord es pajaro
ajoute-moi sur snap
mon insta c'est oiseau.nuit
aggiungimi su instagram
il mio insta è uccello.notte
voeg me toe op snapchat
mijn insta is nachtvogel
dodaj mnie na instagramie
me adiciona no insta
nightbird_ on insta, same on tiktok
hmu on discord
We could move to WhatsApp, I set up a group
let's talk on Signal instead
Lass uns auf WhatsApp schreiben
join https://discord.gg/abcdef
https://t.me/nightbird
wa.me/447700900123
https://chat.whatsapp.com/AbCdEf123
instagram.com/nightbird
https://www.facebook.com/night.bird.5
my page: linktr.ee/nightbird
snapchat.com/add/nightbird
https://www.tiktok.com/@nightbird
x.com/nightbird
here is a zoom https://zoom.us/j/1234567890
meet.google.com/abc-defg-hij tonight
I live at 14 Station Road, Leeds
12 Baker Street, come whenever
my address is 221 Old Mill Lane
Come to 7 Elm Close tonight
We are at 1600 Maple Avenue, apartment 4
ich wohne in der Gartenstraße 12
Hauptstr. 5, zweiter Stock
Lindenweg 3a in Kassel
vivo en la calle Mayor 15
Avenida del Sol, 23, tercero
j'habite 12 rue des Lilas
abito in via Roma 8
ik woon Kerkstraat 45
ul. Polna 7, Warszawa
rua das Flores 30
my postcode is LS1 4DY
I am near SW1A 1AA
M1 2AB, five minutes from there
my zip code is 90210
I live in Springfield, IL 62704
PLZ 34117
wohne in 34117 Kassel
código postal 28013
1012 AB is where I live
my full name is Owl Nightingale
My name is Robin Nightingale, hello
I'm called Robin Sparrow
my real name is Robin
ich heiße Rabe Nachtigall
mein richtiger Name ist Robin
Mein Name ist Robin Spatz
me llamo Robin Gorrión
mi nombre completo es Robin Gorrión Ruiz
je m'appelle Robin Moineau
mon vrai nom est Robin
mi chiamo Robin Passero
ik heet Robin Mus
nazywam się Robin Wróbel
o meu nome é Robin Pardal
Look for Robin Sparrow on Facebook
my surname is Sparrow
""".splitlines()

WITHOUT = """\
I slept four hours, from 2:30 to 6:30.
It began on 12.03.2021 and went on until 14.05.2022.
On 2024-01-15 I saw my doctor.
Between 2019-2020 I was in hospital twice.
I take 150 mg in the morning and 75 mg at night.
Sertraline 50mg, then 100mg, now 150mg.
I counted to 1000000 once.
They paid me 1,250.50 for that.
Das hat 1.250,00 Euro gekostet.
My score was 14 of 27.
I have been here 365 days, 12 hours and 5 minutes.
Call 988 if you are in the US.
Samaritans are on 116 123, day and night.
You can text SHOUT to 85258.
Ring 999 or 112 if somebody is hurt.
Die Telefonseelsorge hat 0800 111 0 111 und 0800 111 0 222.
Nummer gegen Kummer: 116 111
En España el 024 funciona todo el día.
En France, le 3114 répond toujours.
Lifeline is 13 11 14.
I called 116123 and they listened.
I call my sister every night.
Text me back when you have read this thread.
Call me stupid, but I still hope.
My number of bad days is going down.
My number one wish is sleep.
Room 101 was cold.
I was number 47 in the line.
It is 3 a.m. and I am awake again.
At 4 I gave up and made tea.
Add me to the list of people who cannot sleep.
Find me a reason, I said to my dad.
Follow me through this: first the sleep, then the rest.
Message me here in the thread if you like.
I left Facebook last year and feel better.
Instagram makes me sad.
I deleted TikTok, Instagram and Snapchat.
My therapist uses Zoom, which is odd at first.
Facebook is not good for me at night.
I spent five hours on Instagram.
My friends are all on Discord and I am alone.
WhatsApp groups of my family are loud.
Is Telegram safer? I do not use it.
The signal at home is bad.
There is a line I do not want to cross.
Waiting in line is hard for me.
That was a signal for me to stop.
I steam vegetables now, it helps.
The matrix of my life is odd.
I read on Reddit that it passes.
Twitter was a bad idea at that hour.
My kid plays on an Xbox all day.
I wrote an email to my boss and never sent it.
My email is full of bills.
The mail came at noon.
I looked at @sleep@alder.test and liked it.
Thanks, @kay@birch.test, for your words.
@robin you said it well.
Hashtags like #sleep2024 help me find things.
I live in Leeds and it rains.
I live near the sea.
Ich wohne in Kassel, allein.
Wir wohnen in einer kleinen Straße.
Ich ging die Straße entlang.
Vivo en una calle tranquila.
J'habite dans une rue calme.
Abito in una via tranquilla.
The street where I live is quiet.
I walked down the road for 20 minutes.
I drove 40 miles on a road I did not know.
12 years on this road and still going.
I have 3 ways to calm down.
It took 5 close friends to get me there.
My court date is on the 5th.
I live on the 14th floor.
My name is Robin.
My name is not important here.
My name is mud at work.
I'm called lazy by everybody.
Ich heiße Robin.
Mein Name tut nichts zur Sache.
Me llamo Robin.
Je m'appelle Robin.
Mi chiamo Robin.
Ik heet Robin.
My real name is nobody's business.
My full name scares me on letters.
I do not use my real name here.
My surname is hard to say.
Dr Martens are my favourite shoes.
I read Matt Haig and it helped.
The Body Keeps the Score is a hard book.
My GP sent me to St Thomas.
I was at Queen Mary Hospital for two weeks.
Vitamin B12 5mg every day.
B6 and B12, and D3 2000 IU.
My levels were 4.5, then 6.2.
He is 6 foot 2 and still afraid.
10000 Schritte am Tag helfen mir.
50000 Menschen haben das auch.
20000 pasos y sigo despierto.
I ran 5 km in 32:10.
42 195 metres, can you believe it.
My weight went from 82.5 to 75.3.
7/10 today, 4/10 yesterday.
On a scale from 0-10 it is a 6.
2 4 6 8, I count my breath.
Breathe in 4, hold 7, out 8.
4-7-8 breathing works for me.
1, 2, 3, 4, 5 and then I open my eyes.
5 things I see, 4 I touch, 3 I hear, 2 I smell, 1 I taste.
I have tried 12 medicines in 15 years.
Since 1998 I have had this.
Born in 1985, tired since 1999.
In 2020 US politics wore me out.
2021 UK lockdown was the worst.
ICD-10 F32.1 is what they wrote.
It says 6A70 on the paper.
PHQ-9 was 18.
The number 27 bus goes past the clinic.
Chapter 12, page 345.
I paid 30.000 and have nothing.
1.000.000 Mal habe ich das gedacht.
I was on hold for 45 minutes, then 20 more.
He called at 11.45.
The clinic opens 9-17, Monday to Friday.
Öffnungszeiten 08.00-16.30.
Open 24/7, they said.
My PIN is safe in my head.
Version 2.10.4 of the app crashes.
I saw it on https://www.nhs.uk/mental-health/ today.
https://example.org/sleep/2024/05/17 has a good text.
See https://www.youtube.com/watch?v=abcdefghijk for the breathing.
I found https://findahelpline.com useful.
The podcast is on example.com somewhere.
I look at the stars at night dot dot dot
I am at home. Dot, my dog, is here.
Meet me half way, life.
We met at the gate and talked.
Let's talk about sleep instead.
Let's talk on Sunday, here.
Hit me up with ideas, please, here in the thread.
Du kannst mir hier schreiben.
Ruf mich nicht an, sagte er.
Schreib mir gern hier im Faden.
Meine Nummer im Wartezimmer war 14.
Escríbeme aquí si quieres.
Mi correo está lleno.
Mon numéro porte-bonheur est le 7.
Il mio numero preferito è 3.
Add a note when it is hard to read.
I added you all to my prayers.
She said: find me at peace.
My insta is off for a month.
My insta is gone and I am glad.
My discord is closed, too many people.
Facebook ist nichts für mich.
Instagram est mauvais pour moi.
Telegram es de mi hermano.
My snap decision was wrong.
I snap at everybody.
In line with what you say, I rest.
The line is busy.
Signal is fine, I just want quiet.
Line is a funny word.
Steam is rising from my tea.
My address book is empty.
I have no address at the moment.
What is your zip? I mean the one on the coat.
Postcode lottery, that is what therapy is here.
Plz help, I cannot sleep.
Der Weg ist das Ziel.
Auf dem Weg 5 Minuten Pause machen.
Der Platz 3 im Bus war frei.
Allee 7 Minuten entlang, dann ruhig.
""".splitlines()
