"""The marks of instructions to a model: named patterns, and what is odd about the structure of a text. Pure.

Each mark is general: what such texts do, not what one of them says. RE2 patterns, so linear in the text.
"""

from collections.abc import Iterator

from governance.guardrails.base import compiled

EARLIER = r"(?:previous|prior|above|earlier|preceding|former|foregoing|initial|original|existing|current|given|past|last|other|system|aforementioned|following|before|user'?s?|all|any|every|your|these|those|the|my|of|to|as|well|and|or|from|ones?|everything|anything)"
ORDERS = r"(?:instructions?|directions?|directives?|orders?|prompts?|commands?|rules?|guidelines?|guardrails?|polic(?:y|ies)|constraints?|restrictions?|context|text|information|info|messages?|conversation|requests?|questions?|tasks?|assignments?|inputs?|data|content|training|programming|limitations?|safeguards?|said|told|wrote|it|documents?)"
ASSISTANT = r"(?:assistant|chatbot|chat ?bot|bot|ai|a\.i\.|llm|language model|gpt|chatgpt|claude|gemini|llama|model|siri|copilot|agent)"
OUTPUT = r"(?:answer|response|reply|output|summary|message|explanation|solution|completion)"

PATTERNS: dict[str, str] = {
    # Take the place of the instructions
    "override": rf"(?i)\b(?:ignore|disregard|forget|dismiss|override|overlook|neglect|omit|skip|bypass|discard|erase|delete|cancel|abandon|stop following|do not (?:follow|obey|listen to)|don'?t (?:follow|obey|listen to)|pay no attention to|never mind|nevermind|set aside)\s+(?:{EARLIER}[\s,]+){{0,7}}{ORDERS}\b",
    "override-instructions": r"(?i)\b(?:ignore|disregard|forget|override|overrule|stop following|do not follow|don'?t follow|bypass)\s+(?:(?:all|any|every|everything|each|your|the|my|these|those|of|other|previous|prior|above|earlier|preceding|foregoing|initial|original|existing|current|past|last|given|system|user|safety|and|or|subsequent|following)[\s,]+){1,6}(?:instructions?|directions?|directives?|orders?|prompts?|commands?|guidelines?|system messages?)\b",
    "override-all": r"(?i)\b(?:ignore|disregard|forget|drop)\s+(?:about\s+)?(?:all|everything|anything|that|what|whatever|it all|the rest|previous|the above|the foregoing)\b",
    "override-de": r"(?i)\b(?:ignorier\w*|vergiss|vergessen sie|vergesse|missachte\w*|h[oö]re? nicht auf|lass)\b.{0,40}\b(?:alle\w*|alles|bisher\w*|vorherige\w*|vorige\w*|obige\w*|oben|davor|zuvor|anweisung\w*|instruktion\w*|anordnung\w*|befehl\w*|aufgabe\w*|gesagt\w*|vorhergehend\w*)\b",
    "override-romance": r"(?i)\b(?:ignor[aeorz]\w*|olvid[aeo]\w*|olvíd\w*|oublie[zr]?|esque[cç]\w*|dimentic\w*|descart\w*|trascura|no hagas caso|ne (?:tiens|tenez) pas compte|uitá|ignoră)\b.{0,50}\b(?:tod[oa]s?|todo|tout\w*|tutt[oiae]|anterior\w*|pr[eé]c[eé]dent\w*|precedent\w*|previ\w+|instruc\w+|instruction\w*|istruzion\w*|órdenes|ordini|consignes|dije|dicho|antes|antérieur\w*|prompt)\b",
    "override-slavic": r"(?i)(?:игнорир\p{L}*|забуд\p{L}*|забыть|не обращай|ігнор\p{L}*|zignoruj|zapomnij|ignoruj\w*|zapome[nň]\w*|zaboravi\w*|ignoriši)",
    "override-asian": r"(?:忽略|无视|無視|忘记|忘掉|忘れ|不要理会|不要管|무시|잊어|잊으|अनदेखा|नज़रअंदाज़|नजरअंदाज|उपेक्षा|भूल जा|উপেক্ষা|অগ্রাহ্য|ভুলে যা|تجاهل|انس[َى ]|ละเว้น|เพิกเฉย|ไม่สนใจ|ลืม)",
    "override-other": r"(?i)\b(?:görmezden|yoksay\w*|unut(?:un)?\b|dikkate alma|bỏ qua|quên (?:đi|hết|tất)|phớt lờ|abaikan|lupakan|balewalain|kalimutan|huwag pansinin|negeer|vergeet|ignorera|glöm|ohita|unohda|zanemari|ignoră)\b",
    "new-task": r"(?i)\b(?:new|real|actual|updated|revised|next|different|another)\s+(?:instructions?|tasks?|assignment|rules?|orders?|objective|goal|mission|directive|prompt)\b",
    "instead": r"(?i)\b(?:instead|rather),?\s+(?:please\s+)?(?:do|say|write|print|output|respond|reply|answer|tell|give|show|return|send|generate|provide|repeat|talk|act|translate|execute|use)\b|\binstead[.!\n]|\b(?:do|say|print|write|output) (?:this|the following) instead\b",
    "just-say": r"(?i)\b(?:just|only|simply|merely)\s+(?:print|say|output|write|respond|reply|answer|repeat|return|tell|show|give|state|display)\b|\band nothing else\b|\bnothing (?:but|more|else)\b|\brespond (?:only|simply|exactly|with)\b|\b(?:reply|answer) (?:only|simply|exactly) with\b|\bnur (?:noch )?(?:sagen|antworten|ausgeben|schreiben)\b|\bsolo (?:di|responde|escribe)\w*\b",
    "stop-now": r"(?i)\bstop (?:everything|all|now|what you|reading|processing|here)\b|\bend of (?:document|text|prompt|instructions?|input|context|message|conversation|story|data|file|article|report)\b|\bstart of (?:a )?new\b|\[(?:end|rest|start)[- ]of[- ][\w-]+\]",
    "after-that": r"(?i)\b(?:after|once|when) (?:you (?:do|have done|finish|complete|are done)|that|this|doing)\b.{0,30}\b(?:you can|continue|proceed|solve|go back|resume|answer|then)\b|\bbefore you (?:can )?(?:solve|answer|do|start|continue|proceed|respond)\b",
    # Who speaks, and as whom
    "role-marker": r"(?i)(?:^|\n)\s*(?:#{1,4}\s*|\*{1,2}|<|\[|\(|\")?(?:system|assistant|developer|admin(?:istrator)?|user|human|instructions?|ai)(?:\]|\)|>|\*{1,2})?\s*(?:message|prompt|note|override|update|instructions?)?\s*:[\s*\"]|<\|?(?:im_start|im_end|system|endoftext|user|assistant|start_header_id|eot_id)\|?>|\[/?INST\]|<</?SYS>>|</?(?:system|instructions?|important|information|admin|prompt|rules?)\b[^<>]{0,40}>",
    "fake-message": r"(?i)\b(?:important|urgent|critical|special|secret|secure|hidden)\s+(?:system\s+)?(?:message|instructions?|notice|update|announcement|alert)\b.{0,40}\b(?:from|for|to)\b|\bmessage from (?:me|the (?:user|admin|system|developer))\b|\bthis is (?:an? )?(?:important|urgent|test|the system|your (?:developer|creator|admin))\b|\bsystem (?:prompt|message|override|upgrade|update)\b",
    "act-as": r"(?i)\b(?:act|behave|respond|answer|talk|speak|write|function|operate|serve|pose|reply|perform|play)\s+(?:as|like)\s+(?:an?|the|my|if|though|you)\b|\bpretend(?:ing)?\b|\bimagine (?:that )?you(?:'re| are)\b|\bplay the (?:role|part|character)\b|\btake on the (?:role|persona)\b|\bassume the (?:role|persona|identity)\b|\brole-?play\b|\bi want you to (?:act|be|play|pretend|imagine|become|respond|simulate|write|create|ignore|do)\b|\byou will (?:act|play|be|pretend|respond|now|become|simulate)\b|\bstay in character\b|\bsimulat(?:e|ing)\b.{0,30}\b(?:as|how|what|mode)\b",
    "you-are-now": r"(?i)\b(?:you are|you're|your are) (?:now|no longer|about to|going to|free|not bound|not an?|being|immersed|supposed|a? ?(?:unfiltered|evil|amoral|uncensored|hacked|rogue))\b|\bfrom now on\b|\bhenceforth\b|\bab jetzt\b|\ba partir de ahora\b|\bdésormais\b|\bfrom this (?:moment|point)\b",
    "freed": r"(?i)\b(?:no|without|any|free (?:of|from)|broken free|bypass\w*|disabl\w+|unlock\w*|remov\w+|lift\w*|not (?:bound|limited|restricted|constrained) by)\b.{0,40}\b(?:restrictions?|limitations?|limits?|filters?|censor\w*|guidelines?|ethic\w*|moral\w*|rules?|polic(?:y|ies)|morality|safety|warnings?|disclaimers?|refus\w+|boundar\w+)\b|\b(?:unfiltered|uncensored|amoral|unethical|unrestricted|jailbr\w+|jail-?broken|do anything now|developer mode|dan mode|god mode|evil mode|opposite mode)\b",
    "never-refuse": r"(?i)\b(?:never|not|cannot|can't|don'?t|do not|must not|won't)\s+(?:ever\s+)?(?:refuse|decline|apologi[sz]e|say (?:no|sorry|that you|you can)|warn|break character|mention (?:that|this|the)|reveal this|deviate|ask|disclaim|tell (?:the user|anyone|him|her|them))\b|\bi'?m sorry\b.{0,30}\b(?:block|not|never|don)\b|\byou (?:must|have to) (?:always )?(?:obey|comply|answer every|respond to every)\b|\bdo not (?:tell|inform|notify|alert|let) (?:the )?(?:user|human|anyone)\b",
    "to-assistant": rf"(?i)\b(?:dear|hey|hi|hello|attention|note to|to the|for the|if you are (?:an?|the))\s+{ASSISTANT}\b|\bas an? {ASSISTANT}\b|\byou(?:'re| are) an? (?:\w+ ){{0,3}}{ASSISTANT}\b|\b{ASSISTANT}[,:]\s",
    "two-answers": r"(?i)\b(?:two|both|separate|different) (?:responses|answers|ways|paragraphs|outputs|replies)\b|\bfirst,?\b.{0,60}\bsecond\b.{0,60}\b(?:answer|respon)\w+|\[(?:GPT|DAN|🔒|🔓|CLASSIC|JAILBREAK|AIM|STAN|DUDE|ChatGPT|Normal|Developer)[^\]]{0,30}\]",
    # What is asked for
    "reveal-prompt": r"(?i)\b(?:reveal|show|print|repeat|output|display|give|tell|share|write|list|summari[sz]e|state|recite|dump|expose|leak|return|copy|what (?:is|are|was|were))\b.{0,50}\b(?:system prompt|your (?:initial |original |first |full |exact |own |secret |hidden |internal |previous |system )*(?:prompt|instructions?|rules|guidelines|configuration|directives|message)|initial (?:prompt|instructions|configuration|message)|(?:prompt|instructions|text|words|everything|conversation|sentences?|lines?) (?:above|verbatim|so far|before (?:this|that))|hidden (?:prompt|instructions?|message)|developer message|<?system_?prompt>?|context window)",
    "ask-secret": r"(?i)\b(?:password|passphrase|secret (?:key|code|word)|api key|credentials?|pass ?code|access code|pin code|credit card|private key|contraseña|mot de passe|passwort|пароль|password-?n|비밀번호|密码|密碼|パスワード|पासवर्ड|كلمة (?:ال)?(?:مرور|سر)|senha|şifre|mật khẩu|kata sandi|รหัสผ่าน|পাসওয়ার্ড)",
    "exfiltrate": r"(?i)!\[[^\]]{0,60}\]\s{0,2}[\(\[]|\]\(https?://[^)\s]*[?&=][^)\s]*\)|\b(?:append|add|include|insert|put|place|replace|attach|encode)\b.{0,60}\b(?:url|link|parameter|query|data|email|password)\b|\b(?:send|forward|email|post|upload|transmit|exfiltrat\w+|leak|share|transfer)\b.{0,60}\b(?:to|at) (?:https?://|[\w.+-]+@[\w-]+\.|this (?:address|account|number|url|link)|attacker|hacker)",
    "transfer": r"(?i)\b(?:send|transfer|wire|pay|deposit|move)\b.{0,40}\b(?:money|funds|transaction|payment|bitcoin|\$\s?\d+|\d+\s?(?:usd|eur|dollars|euros))\b.{0,60}\b(?:to|into)\b",
    "code-attack": r"(?i)\{\{.{0,200}(?:__|import|config|subprocess|popen|self|request)|__import__|__class__|__globals__|\bos\.system\b|\bsubprocess\b|\brm -rf\b|\bcurl\b.{0,80}\|\s*(?:ba)?sh|<script\b|javascript:|\bonerror\s*=|\balert\(|\beval\(|\bdrop table\b|\bunion (?:all )?select\b|';\s*(?:drop|insert|delete|update|select|exec)|\bxp_cmdshell\b|\binsert into users\b|\bor 1\s*=\s*1\b|/etc/passwd|\bwget\b|\.ssh\b|authorized_keys|\bkeylog\w*|\bransom\w*|\bbackdoor\b|\breverse shell\b",
    "danger-code": r"(?i)\b(?:shutil\.rmtree|os\.remove|os\.unlink|socket\.socket|winreg|ctypes|wmi\b|\.Disable\(|pynput|smtplib|ftplib|telnetlib|scapy|crypt\w*\.encrypt|Fernet|iptables|netsh|systemctl|shutdown|taskkill|reg (?:add|delete)|chmod 777|crontab|schtasks|nmap|getpass|ImageGrab|pyautogui|webbrowser|psutil|requests\.post|urllib\.request|exec\()",
    "harm": r"(?i)\b(?:kill all|bomb|explosives?|meth(?:amphetamine)?|weapons?|how to (?:make|build|steal|hack|kill|get away)|hate humans|malware|phish\w*|illegal|hack(?:ed|ing)?|murder|suicide|nazi|hitler|slurs?|racist|porn\w*|erotic|explicit)\b",
    "snippet": r"(?i)\b(?:incorporat|integrat|includ|insert|add|embed|utili[sz]|use|us|append|implement|weav|infus|merg|combin|appl|employ|leverag|consider|validat|ensur|confirm|verif|guarantee|attach|enhanc|modif|augment|extend|supplement|tak|mak)\w*\b.{0,60}\b(?:code (?:snippet|excerpt|segment|fragment|block|sample|example|piece)|(?:following|provided|given|below|this) (?:\w+ ){0,2}(?:code|snippet|script|function))\b",
    "steer-output": rf"(?i)\b(?:includ|add|insert|integrat|incorporat|suggest|promot|mention|recommend|highlight|emphasi[sz]|enhanc|begin|start|end|finish|conclud|replac|encod|translat|convert|format|writ|respond|reply|answer|us|append|present|provid|offer|embed|weav|introduc|spread|creat|generat|deliver|craft|limit|modif|adjust|transform|express|make|display|remov|swap|change|substitut|reverse|misspell|capitali[sz]|mimic|sprinkl|infus|revis|prioriti[sz])\w*\b.{{0,70}}\b(?:your|the|my|this|each|every|all)\s+(?:\w+\s+)?{OUTPUT}s?\b|\bin (?:your|the) {OUTPUT}\b|\b(?:my|your) {OUTPUT} (?:in|to|with|using|as|by|should|must)\b|\b(?:replace|swap|substitute|reverse|encode|misspell|capitali[sz]e|alternate|remove) (?:all )?(?:the )?(?:vowels?|letters?|words?|consonants?|spaces|sentences?|characters?|digits?|numbers?)\b",
    "decode": r"(?i)\b(?:decod\w+|encoded|unescape|decipher|decrypt|uudecode|rot-?13|base-?(?:16|32|64|85)|ascii85|morse|braille|leet(?:speak)?|hexadecimal|atbash|caesar|nato phonetic|cipher|binary|quoted-printable|mime|emoji cipher)\b|\bmonologue\b",
    "hypothetical": r"(?i)\b(?:hypothetical(?:ly)?|let'?s (?:imagine|pretend|play|say|suppose|assume)|suppose (?:that )?you|in (?:a|this) (?:fictional|hypothetical|alternate|parallel|imaginary)|imagine (?:a|that|you)|fictional (?:story|scenario|world|character)|just a (?:game|story|joke|test|simulation)|for (?:educational|research|testing) purposes|thought experiment|what if)\b",
    "persuade": r"(?i)\b(?:i am (?:the |an? |your )?(?:\w+ )?(?:admin\w*|developer|owner|creator|ceo|doctor|police|teacher|researcher|engineer|manager)|trust me|emergency|life (?:or|and) death|will (?:save|lose) (?:lives|my)|you (?:must|have to|need to) help|my (?:late )?(?:grandm\w+|grandfather|grandpa)|authori[sz]ed|i have permission|permission to|as your (?:boss|creator|developer|owner))\b|!!!",
    "split-payload": r"(?i)\b(?:let|set|var)?\s*[abxyz]\s*=\s*[\"'].{1,80}[\"']|\bconcatenat\w*\b|\bcombine (?:the|these|a|x)\b|\b(?:first|last) letters? of\b|\bspell(?:ed|ing)? (?:it |out |backwards?)|\bletter by letter\b|\bin reverse\b|\bbackwards\b",
    "praise-turn": r"(?i)^\s*(?:super|sehr gut|gut gemacht|toll|perfekt|prima|great|well done|good job|nice|excellent|thank you|thanks|danke|okay|ok|alright|perfect|awesome)\b.{0,60}[.!].{0,60}\b(?:now|jetzt|nun|next|task|aufgabe\w*|new|neue\w*)\b",
    "report-as": r"(?i)\b(?:say|state|report|respond|reply|answer|conclude|claim|tell (?:me|them|the user))\b.{0,40}\b(?:that )?(?:it|this|the (?:domain|candidate|site|file|email|code|document|article|answer)|everything)\b.{0,30}\b(?:is|are|was) (?:safe|not malicious|the (?:best|most)|clean|harmless|approved|benign|fine|qualified|correct)\b",
    "escape": r"\\(?:x1b|033|e|u001b|27)\[?|\x1b\[|\x9b",
    "long-dashes": r"(?:-{8,}|={8,}|#{6,}|\*{8,}|~{8,}|\+{8,}|_{12,}|%{3,}).{0,200}(?:\n|\s)(?:.{0,200})(?:-{8,}|={8,}|#{6,}|\*{8,}|~{8,}|\+{8,}|_{12,})",
    "quoted-order": r"(?i)\b(?:say|print|repeat|output|echo|write|respond with|reply with|return)\s*:?\s*[\"“‘'`][^\"”’'`\n]{2,200}[\"”’'`]",
    "template-slot": r"(?i)\[(?:insert|your|prompt|question|write|name|query|input|user)[^\]]{0,60}\]|\{(?:generator|prompt|query|user|input|name|question)[\w.]{0,30}\}|<\s*(?:prompt|query|input|question)\s*>",
}


def found(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each mark of the text once: its name and where it first stands."""
    for name, pattern in PATTERNS.items():
        match = compiled(pattern).search(text)
        if match is not None:
            yield name, match.start(), match.end()


TABLE_ROW = "|"
IMPERATIVE = r"(?i)^(?:please |now |also |and |then |finally |next |kindly |can you |could you |would you |what |how |why |who |when |where |which |is |are |do |does |i want |i need |tell me|give me|show me)|^[A-Z][a-z]+(?:e|t|d|n|k|p|y|r|m|l|h|s|w) (?:a|an|the|your|my|this|all|in|to|with|for|by|up|each|every|some|any|me|of|on|users?|how|as|it|into|these|those|letters|words|vowels|numbers|that)\b"
QUESTION = r"\?\s*$"
CODE = r"(?:Traceback \(most recent|^\s*(?:import|from|def|class|return)\s|```)"
MAIL = r"(?i)^(?:subject|from|to|date|received|email_from|content|reply-to)\s*:|\b(?:dear|hi|hello) \w+,"


def structure(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield what is odd about the lines of the text: one at an edge that speaks to somebody, beside data or code."""
    lines, at = [], 0
    for line in text.split("\n"):
        if line.strip():
            lines.append((line.strip(), at, at + len(line)))
        at += len(line) + 1
    if len(lines) < 2:
        return
    rows = sum(line.startswith(TABLE_ROW) for line, _, _ in lines)
    is_table = rows * 2 > len(lines)
    is_code = compiled(rf"(?m){CODE}").search(text) is not None
    is_mail = compiled(rf"(?m){MAIL}").search(text) is not None
    kind = "table" if is_table else "code" if is_code else "mail" if is_mail else "text"
    edges = {"first": lines[0], "last": lines[-1]}
    for edge, (line, start, end) in edges.items():
        if line.startswith(TABLE_ROW) or len(line) > 300:
            continue
        if compiled(QUESTION).search(line) is not None:
            yield f"{edge}-asks-in-{kind}", start, end
        elif compiled(IMPERATIVE).search(line) is not None:
            yield f"{edge}-orders-in-{kind}", start, end
    if is_table and rows != len(lines):
        odd = next(item for item in lines if not item[0].startswith(TABLE_ROW))
        yield "line-beside-table", odd[1], odd[2]
    for line, start, end in lines[1:-1][:400]:
        if kind != "text" and len(line) < 300 and _speaks(line):
            yield f"inner-orders-in-{kind}", start, end
            return


def _speaks(line: str) -> bool:
    return (
        line[:1].isupper()
        and line.endswith((".", ":", "?", "!"))
        and compiled(IMPERATIVE).search(line) is not None
    )
