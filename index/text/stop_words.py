"""Lists stop words: left out of the terms that people see, never out of the comparison.

One list for all languages, matched as written: UN and US are no stop words. A word that often has meaning in another
language is not listed ("die", "war", "hat", "van", "sea").
"""

from __future__ import annotations

_BY_LANGUAGE = {
    "English": """
        about above after again against all also although always am among an and another any are aren around as at
        away back be became because become been before began being below between both but by came can cannot could
        couldn did didn do does doesn doing don done down during each either else enough even ever every few first
        for from further get gets getting given go goes going gone got had hadn has hasn have haven having he her
        here hers herself him himself his how however if in into is isn it its itself just last later least less let
        like likely ll made make makes making many may maybe might more most much must my near need needs neither
        never new next no nor not now of off often old on once one only onto or other others our ours out over own
        per perhaps put quite rather re really said same say saying says see seen several shall she should shouldn
        since so some soon still such take taken takes than that the their theirs them themselves then there these
        they this those though three through thus to together too took toward towards two under until up upon us use
        used uses using ve very want wanted was wasn we well went were weren what when where whether which while who
        whole whom whose why will with within without won would wouldn yes yet you your yours
    """,
    "German": """
        aber alle allem allen aller alles als auch auf aus bei beim bis bist da damit dann das dass dein dem den
        denn der deren des dessen dich dies diese diesem diesen dieser dieses doch dort du durch ein eine einem
        einen einer eines er es etwas euch für gegen habe haben hatte hatten hier ich ihm ihn ihnen ihr ihre ihrem
        ihren ihrer im immer ist jede jedem jeden jeder jedes jetzt kann kein keine keinen können mehr mein meine
        mich mir mit muss nach nicht nichts noch nur ob oder ohne schon sehr sei seinem seinen seiner sich sie sind
        sollte um und uns unser unter viel vom von vor waren warum weil welche wenn werden wie wieder wir wird wo
        wurde wurden während zu zum zur zwei zwischen über
    """,
    "French": """
        afin ainsi alors après au aucun aussi autre autres aux avait avant avec avoir beaucoup ce cela ces cet cette
        ceux chaque chez ci comme dans de depuis deux donc dont du elle elles encore entre est et eu eux fait fois
        il ils je la le les leur leurs lui là mais me mes moi moins mon même ne nos notre nous on ont ou où par
        parce pas pendant peu peut plus plusieurs pour pourquoi près puis qu quand que quel quelle qui quoi sans
        sera ses si sont sous sur ta te tous tout toute toutes très trop tu un une vers votre vous été être
    """,
    "Spanish": """
        ahora al algo algunos ante antes así aunque año años cada casi como con contra cual cuando cuanto dentro
        desde después donde dos durante él el ella ellas ellos entonces entre es esa ese eso esta estaba estado
        están estas este esto estos está fue fueron ha hace hacia han hasta incluso las lo los luego más mediante
        mejor menos mientras mismo mucho muy nada ni nos nosotros nuestra nuestro otra otras otro otros para pero
        poco por porque puede pueden pues que qué quien se según ser si sido siempre sino sobre solo su sus sí
        también tanto tiene tienen todo todos tras tres un una uno unos ya yo
    """,
    "Italian": """
        alla alle allo anche ancora avere aveva chi ci col come con così cui da dagli dai dal dalla dalle degli dei
        del della delle dello di dopo dove dunque ed erano essere fino fra gli hanno ho il invece loro ma mentre mi
        molto negli nei nel nella nelle nello noi nostro ogni oltre ora per perché però più poi prima può qua quale
        quando quanto quella quelle quelli quello questa queste questi questo qui quindi sarà sempre senza sia siamo
        sono sta stata stati stato stesso su sua sue sugli sui sul sulla sulle suo suoi tra tutta tutte tutti tutto
        un uno verso voi
    """,
    "Portuguese": """
        ainda ao aos apenas após as até cada com da das de dela dele depois do dos ela elas ele eles em entre então
        essa esse esta este está eu foi foram há isso isto já lhe mais mas mesmo muito na nas nem no nos não nós num
        numa os ou onde para pela pelas pelo pelos por porque quais quando que quem seu sua são só também tem ter
        toda todas todo todos três tudo um uma você
    """,
    "Dutch": """
        aan al alleen alles als altijd andere bij daar dan dat de deze dit doen dus een eens eerst elke en enkele er
        ge geen had heb hebben heeft hem het hier hij hoe hun iets ik in is ja je kan kon kunnen maar meer met mijn
        moet moeten na naar niet niets nog nooit nu of om omdat ons ook op over reeds sinds te tegen ten ter toch
        toen tot tussen uit uw veel voor waar waarom waren wat weer wel welke werd werden wie wij wil worden wordt
        zal ze zich zij zijn zo zonder zou zullen
    """,
    "Polish": """
        aby ani aż bardzo bez bo być był była było były będzie ci co coś czy czyli dla dlaczego dlatego do dwa gdy
        gdzie go ich im inne iż ja jak jako jaki jakie je jednak jego jej jest jeszcze jeśli już każdy kiedy kto
        która które którego której który których którzy lub ma mają mi mnie może można my na nad nam nami nas nasz
        nich nie nim niż no od ona one oni ono oraz po podczas ponieważ potem poza przed przez przy się są tak także
        tam te tego tej ten też to tu tutaj tych tylko tym wam we wie więc wszystkie wszystko wtedy wy za zawsze ze
        został została żadne że żeby
    """,
    "Danish, Norwegian, Swedish": """
        af alla alle alt allt andra andre att av blev bli bliver blivit bort både da de dem den denna denne der
        deras dessa det detta dette din disse du då där efter eftersom eller en enn er et ett etter fick fik finns
        fra från får för går ha hade han har hans havde henne hennes her hon honom hos hun hur hva hvad hvem hver
        hvis hvor hvordan här ikke ikkje ind ingen inte inom jag jeg kun kunde kunne kommer lige med meget mellem
        mellan mere mig mot mycket må många måste ned nej ni nogen noget noen noe nogle nu når någon något några og
        også om opp os oss på samt selv sig sine sitt själv ska skal skulle som så sådan til till under upp ut uten
        utan vad var vara varit ved vem vi vid vil ville vilka vilken være är än även år över
    """,
}
STOP_WORDS = frozenset(word for words in _BY_LANGUAGE.values() for word in words.split())
