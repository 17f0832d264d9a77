<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
<context>
    <name>ui::CodeLayout</name>
    <message>
        <source>Copied</source>
        <translation>Kopiert</translation>
    </message>
    <message>
        <source>code</source>
        <translation>Code</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>Kopieren</translation>
    </message>
</context>
<context>
    <name>ui::Composer</name>
    <message>
        <source>Ask anything</source>
        <translation>Frag etwas</translation>
    </message>
    <message>
        <source>Message</source>
        <translation>Nachricht</translation>
    </message>
    <message>
        <source>Enter sends, Shift+Enter begins a new line</source>
        <translation>Eingabe sendet, Umschalt+Eingabe beginnt eine neue Zeile</translation>
    </message>
    <message>
        <source>Editing an earlier message: the answer after it stays as another version</source>
        <translation>Frühere Nachricht wird bearbeitet: Die Antwort darauf bleibt als andere Fassung erhalten</translation>
    </message>
    <message>
        <source>Cancel editing (Esc)</source>
        <translation>Bearbeiten abbrechen (Esc)</translation>
    </message>
    <message>
        <source>Cancel editing</source>
        <translation>Bearbeiten abbrechen</translation>
    </message>
    <message>
        <source>Stop (Esc)</source>
        <translation>Anhalten (Esc)</translation>
    </message>
    <message>
        <source>Send (Enter)</source>
        <translation>Senden (Eingabe)</translation>
    </message>
    <message>
        <source>Stop</source>
        <translation>Anhalten</translation>
    </message>
    <message>
        <source>Send</source>
        <translation>Senden</translation>
    </message>
</context>
<context>
    <name>ui::ContextMeter</name>
    <message>
        <source>Context</source>
        <translation>Kontext</translation>
    </message>
    <message>
        <source>%1 / %2 tokens</source>
        <translation>%1 / %2 Token</translation>
    </message>
    <message>
        <source>The context is full: begin a new chat, or load the model with a longer context.</source>
        <translation>Der Kontext ist voll: Beginne einen neuen Chat oder lade das Modell mit längerem Kontext.</translation>
    </message>
    <message>
        <source>Tokens of the context that this conversation takes</source>
        <translation>Token des Kontexts, die diese Unterhaltung belegt</translation>
    </message>
</context>
<context>
    <name>ui::ConversationDelegate</name>
    <message>
        <source>New title</source>
        <translation>Neuer Titel</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>Neuer Chat</translation>
    </message>
</context>
<context>
    <name>ui::ConversationList</name>
    <message>
        <source>New chat</source>
        <translation>Neuer Chat</translation>
    </message>
    <message>
        <source>Conversations</source>
        <translation>Unterhaltungen</translation>
    </message>
    <message>
        <source>Hide the sidebar (Ctrl+B)</source>
        <translation>Seitenleiste ausblenden (Strg+B)</translation>
    </message>
    <message>
        <source>Hide the sidebar</source>
        <translation>Seitenleiste ausblenden</translation>
    </message>
    <message>
        <source>New chat (Ctrl+N)</source>
        <translation>Neuer Chat (Strg+N)</translation>
    </message>
    <message>
        <source>Search</source>
        <translation>Suchen</translation>
    </message>
    <message>
        <source>Search conversations</source>
        <translation>Unterhaltungen durchsuchen</translation>
    </message>
    <message>
        <source>Search all conversations (Ctrl+K)</source>
        <translation>Alle Unterhaltungen durchsuchen (Strg+K)</translation>
    </message>
    <message>
        <source>Nothing found</source>
        <translation>Nichts gefunden</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>Einstellungen</translation>
    </message>
    <message>
        <source>Settings (Ctrl+,)</source>
        <translation>Einstellungen (Strg+,)</translation>
    </message>
    <message>
        <source>Rename</source>
        <translation>Umbenennen</translation>
    </message>
    <message>
        <source>Export…</source>
        <translation>Exportieren …</translation>
    </message>
    <message>
        <source>Delete</source>
        <translation>Löschen</translation>
    </message>
</context>
<context>
    <name>ui::ConversationModel</name>
    <message>
        <source>Today</source>
        <translation>Heute</translation>
    </message>
    <message>
        <source>Yesterday</source>
        <translation>Gestern</translation>
    </message>
    <message>
        <source>Previous 7 days</source>
        <translation>Letzte 7 Tage</translation>
    </message>
    <message>
        <source>Previous 30 days</source>
        <translation>Letzte 30 Tage</translation>
    </message>
    <message>
        <source>Pinned</source>
        <translation>Angeheftet</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>Neuer Chat</translation>
    </message>
</context>
<context>
    <name>ui::EmptyState</name>
    <message>
        <source>Loading the model</source>
        <translation>Modell wird geladen</translation>
    </message>
    <message>
        <source>Choose a model</source>
        <translation>Modell wählen</translation>
    </message>
    <message>
        <source>Explain how a radix tree works, with a short Python example</source>
        <translation>Erkläre, wie ein Radixbaum funktioniert, mit einem kurzen Python-Beispiel</translation>
    </message>
    <message>
        <source>Write a polite e-mail that moves a meeting to next week</source>
        <translation>Schreib eine höfliche E-Mail, die ein Treffen auf nächste Woche verschiebt</translation>
    </message>
    <message>
        <source>What is the difference between a process and a thread?</source>
        <translation>Was unterscheidet einen Prozess von einem Thread?</translation>
    </message>
    <message>
        <source>Plan a simple dinner for four with seasonal vegetables</source>
        <translation>Plane ein einfaches Abendessen für vier mit Gemüse der Saison</translation>
    </message>
    <message>
        <source>What can I help with?</source>
        <translation>Wobei kann ich helfen?</translation>
    </message>
    <message>
        <source>Loading %1… You can already write.</source>
        <translation>%1 wird geladen … Du kannst schon schreiben.</translation>
    </message>
    <message>
        <source>%1 runs on this machine. Nothing you write leaves it.</source>
        <translation>%1 läuft auf diesem Rechner. Nichts, was du schreibst, verlässt ihn.</translation>
    </message>
    <message>
        <source>The model could not be loaded</source>
        <translation>Das Modell konnte nicht geladen werden</translation>
    </message>
    <message>
        <source>No model is loaded</source>
        <translation>Kein Modell geladen</translation>
    </message>
    <message>
        <source>Alcove answers with a model file (GGUF) on this machine.</source>
        <translation>Alcove antwortet mit einer Modelldatei (GGUF) auf diesem Rechner.</translation>
    </message>
</context>
<context>
    <name>ui::EnginePanel</name>
    <message>
        <source>Engine</source>
        <translation>Rechenwerk</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>Gerät</translation>
    </message>
    <message>
        <source>Answering, waiting</source>
        <translation>Antworten, wartend</translation>
    </message>
    <message>
        <source>Replies being written, and those that wait</source>
        <translation>Antworten in Arbeit und solche, die warten</translation>
    </message>
    <message>
        <source>Blocks used</source>
        <translation>Belegte Blöcke</translation>
    </message>
    <message>
        <source>Of 16 tokens of keys and values, on the device</source>
        <translation>Zu 16 Token Schlüssel und Werte, auf dem Gerät</translation>
    </message>
    <message>
        <source>Blocks free</source>
        <translation>Freie Blöcke</translation>
    </message>
    <message>
        <source>Blocks cached</source>
        <translation>Vorgehaltene Blöcke</translation>
    </message>
    <message>
        <source>Of those used: kept for a next turn, given up when room is needed</source>
        <translation>Von den belegten: für die nächste Runde aufgehoben, bei Platzbedarf abgegeben</translation>
    </message>
    <message>
        <source>Blocks in host memory</source>
        <translation>Blöcke im Hauptspeicher</translation>
    </message>
    <message>
        <source>What the device had no room for</source>
        <translation>Wofür auf dem Gerät kein Platz war</translation>
    </message>
    <message>
        <source>Blocks on disk</source>
        <translation>Blöcke auf der Platte</translation>
    </message>
    <message>
        <source>Kept for the next start</source>
        <translation>Für den nächsten Start aufgehoben</translation>
    </message>
    <message>
        <source>Cache hits</source>
        <translation>Treffer im Cache</translation>
    </message>
    <message>
        <source>Share of all prompt tokens that were found in the cache</source>
        <translation>Anteil aller Prompt-Token, die im Cache gefunden wurden</translation>
    </message>
    <message>
        <source>Tokens saved</source>
        <translation>Gesparte Token</translation>
    </message>
    <message>
        <source>Prompt tokens that were not computed again</source>
        <translation>Prompt-Token, die nicht noch einmal gerechnet wurden</translation>
    </message>
    <message>
        <source>Time in the queue</source>
        <translation>Zeit in der Warteschlange</translation>
    </message>
    <message>
        <source>Mean of the last replies</source>
        <translation>Mittel der letzten Antworten</translation>
    </message>
    <message>
        <source>Time to first token</source>
        <translation>Zeit bis zum ersten Token</translation>
    </message>
    <message>
        <source>Between tokens (median)</source>
        <translation>Zwischen Token (Median)</translation>
    </message>
    <message>
        <source>Between tokens (99 %)</source>
        <translation>Zwischen Token (99 %)</translation>
    </message>
    <message>
        <source>Tokens a second</source>
        <translation>Token pro Sekunde</translation>
    </message>
    <message>
        <source>All replies together</source>
        <translation>Alle Antworten zusammen</translation>
    </message>
    <message>
        <source>Evicted, brought back</source>
        <translation>Verdrängt, zurückgeholt</translation>
    </message>
    <message>
        <source>Blocks that left the device, and that came back</source>
        <translation>Blöcke, die das Gerät verließen, und die zurückkamen</translation>
    </message>
    <message>
        <source>Preempted</source>
        <translation>Unterbrochen</translation>
    </message>
    <message>
        <source>Replies that had to wait because blocks ran out</source>
        <translation>Antworten, die warten mussten, weil Blöcke fehlten</translation>
    </message>
    <message>
        <source>No model is loaded</source>
        <translation>Kein Modell geladen</translation>
    </message>
</context>
<context>
    <name>ui::MainWindow</name>
    <message>
        <source>Delete all conversations</source>
        <translation>Alle Unterhaltungen löschen</translation>
    </message>
    <message>
        <source>Delete all conversations?</source>
        <translation>Alle Unterhaltungen löschen?</translation>
    </message>
    <message>
        <source>They are erased for good, with everything that is kept of them in memory and on disk.</source>
        <translation>Sie werden endgültig gelöscht, mit allem, was von ihnen im Speicher und auf der Platte liegt.</translation>
    </message>
    <message>
        <source>Delete all</source>
        <translation>Alle löschen</translation>
    </message>
    <message>
        <source>All conversations were deleted.</source>
        <translation>Alle Unterhaltungen wurden gelöscht.</translation>
    </message>
    <message>
        <source>When the context is full</source>
        <translation>Wenn der Kontext voll ist</translation>
    </message>
    <message>
        <source>As in the settings</source>
        <translation>Wie in den Einstellungen</translation>
    </message>
    <message>
        <source>Leave out the oldest turns, and mark it</source>
        <translation>Älteste Runden weglassen und das zeigen</translation>
    </message>
    <message>
        <source>Stop and say so</source>
        <translation>Anhalten und es sagen</translation>
    </message>
    <message>
        <source>Engine</source>
        <translation>Rechenwerk</translation>
    </message>
    <message>
        <source>Show the sidebar</source>
        <translation>Seitenleiste einblenden</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>Neuer Chat</translation>
    </message>
    <message>
        <source>More</source>
        <translation>Mehr</translation>
    </message>
    <message>
        <source>Loading the model</source>
        <translation>Modell wird geladen</translation>
    </message>
    <message>
        <source>Deleted “%1”</source>
        <translation>„%1“ gelöscht</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>Rückgängig</translation>
    </message>
    <message>
        <source>Loading %1</source>
        <translation>%1 wird geladen</translation>
    </message>
    <message>
        <source>Reading the conversation</source>
        <translation>Die Unterhaltung wird gelesen</translation>
    </message>
    <message>
        <source>Rename</source>
        <translation>Umbenennen</translation>
    </message>
    <message>
        <source>Export…</source>
        <translation>Exportieren …</translation>
    </message>
    <message>
        <source>Delete</source>
        <translation>Löschen</translation>
    </message>
    <message>
        <source>Settings…</source>
        <translation>Einstellungen …</translation>
    </message>
    <message>
        <source>Keyboard shortcuts</source>
        <translation>Tastenkürzel</translation>
    </message>
    <message>
        <source>Open a model file</source>
        <translation>Modelldatei öffnen</translation>
    </message>
    <message>
        <source>Models (*.gguf)</source>
        <translation>Modelle (*.gguf)</translation>
    </message>
    <message>
        <source>Markdown (*.md)</source>
        <translation>Markdown (*.md)</translation>
    </message>
    <message>
        <source>JSON with every version (*.json)</source>
        <translation>JSON mit allen Fassungen (*.json)</translation>
    </message>
    <message>
        <source>Export the conversation</source>
        <translation>Unterhaltung exportieren</translation>
    </message>
    <message>
        <source>%1 could not be written: %2</source>
        <translation>%1 konnte nicht geschrieben werden: %2</translation>
    </message>
    <message>
        <source>Not opened: %1 is neither a web nor a mail address.</source>
        <translation>Nicht geöffnet: %1 ist weder eine Web- noch eine Mailadresse.</translation>
    </message>
</context>
<context>
    <name>ui::MessageDelegate</name>
    <message>
        <source>The context is full: the model no longer reads the message above</source>
        <translation>Der Kontext ist voll: Das Modell liest die Nachricht darüber nicht mehr</translation>
    </message>
    <message>
        <source>The context is full: the model no longer reads the %1 messages above</source>
        <translation>Der Kontext ist voll: Das Modell liest die %1 Nachrichten darüber nicht mehr</translation>
    </message>
    <message>
        <source>context full: %1 messages left out</source>
        <translation>Kontext voll: %1 Nachrichten weggelassen</translation>
    </message>
    <message>
        <source>%1 tok/s</source>
        <translation>%1 Tok/s</translation>
    </message>
    <message>
        <source>first token after %1 s</source>
        <translation>erstes Token nach %1 s</translation>
    </message>
    <message>
        <source>1 token</source>
        <translation>1 Token</translation>
    </message>
    <message>
        <source>%1 tokens</source>
        <translation>%1 Token</translation>
    </message>
    <message>
        <source>%1 prompt tokens cached</source>
        <translation>%1 Prompt-Token aus dem Cache</translation>
    </message>
    <message>
        <source>%1 of %2 guesses right</source>
        <translation>%1 von %2 Vermutungen richtig</translation>
    </message>
    <message>
        <source>%1× by guessing</source>
        <translation>%1× durch Vorausschreiben</translation>
    </message>
    <message>
        <source>The reply failed.</source>
        <translation>Die Antwort ist fehlgeschlagen.</translation>
    </message>
    <message>
        <source>Stopped</source>
        <translation>Angehalten</translation>
    </message>
    <message>
        <source>Interrupted: Alcove was closed while this was being written.</source>
        <translation>Unterbrochen: Alcove wurde beendet, während dies geschrieben wurde.</translation>
    </message>
    <message>
        <source>Cut off: the limit of tokens was reached.</source>
        <translation>Abgeschnitten: Die Grenze der Token wurde erreicht.</translation>
    </message>
    <message>
        <source>Copy</source>
        <translation>Kopieren</translation>
    </message>
    <message>
        <source>Edit</source>
        <translation>Bearbeiten</translation>
    </message>
    <message>
        <source>Another answer</source>
        <translation>Andere Antwort</translation>
    </message>
    <message>
        <source>Previous version</source>
        <translation>Vorige Fassung</translation>
    </message>
    <message>
        <source>Next version</source>
        <translation>Nächste Fassung</translation>
    </message>
</context>
<context>
    <name>ui::MessageModel</name>
    <message>
        <source>You</source>
        <translation>Du</translation>
    </message>
    <message>
        <source>Assistant</source>
        <translation>Assistent</translation>
    </message>
</context>
<context>
    <name>ui::MessageView</name>
    <message>
        <source>Conversation</source>
        <translation>Unterhaltung</translation>
    </message>
    <message>
        <source>Scroll the conversation</source>
        <translation>Unterhaltung rollen</translation>
    </message>
    <message>
        <source>Jump to the latest</source>
        <translation>Zum Neuesten springen</translation>
    </message>
    <message>
        <source>Copy selection</source>
        <translation>Auswahl kopieren</translation>
    </message>
    <message>
        <source>Copy message</source>
        <translation>Nachricht kopieren</translation>
    </message>
    <message>
        <source>Edit…</source>
        <translation>Bearbeiten …</translation>
    </message>
    <message>
        <source>Another answer</source>
        <translation>Andere Antwort</translation>
    </message>
    <message>
        <source>Previous version</source>
        <translation>Vorige Fassung</translation>
    </message>
    <message>
        <source>Next version</source>
        <translation>Nächste Fassung</translation>
    </message>
</context>
<context>
    <name>ui::ModelPicker</name>
    <message>
        <source>Loading %1… %2 %</source>
        <translation>%1 wird geladen … %2 %</translation>
    </message>
    <message>
        <source>Model could not be loaded</source>
        <translation>Modell konnte nicht geladen werden</translation>
    </message>
    <message>
        <source>Choose a model</source>
        <translation>Modell wählen</translation>
    </message>
    <message>
        <source>Model: %1</source>
        <translation>Modell: %1</translation>
    </message>
</context>
<context>
    <name>ui::ModelPopup</name>
    <message>
        <source>%1 tokens</source>
        <translation>%1 Token</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>Modelle</translation>
    </message>
    <message>
        <source>No model was found yet.</source>
        <translation>Noch kein Modell gefunden.</translation>
    </message>
    <message>
        <source>Open a model file…</source>
        <translation>Modelldatei öffnen …</translation>
    </message>
    <message>
        <source>Show models folder</source>
        <translation>Modellordner zeigen</translation>
    </message>
    <message>
        <source>Guess ahead with</source>
        <translation>Vorausschreiben mit</translation>
    </message>
    <message>
        <source>A smaller model of the same family writes ahead and this one checks it: the same answer, often sooner. It is only used while it is faster.</source>
        <translation>Ein kleineres Modell derselben Familie schreibt voraus und dieses prüft es: dieselbe Antwort, oft früher. Es wird nur genutzt, solange es schneller ist.</translation>
    </message>
    <message>
        <source>No second model</source>
        <translation>Kein zweites Modell</translation>
    </message>
</context>
<context>
    <name>ui::SavingNotice</name>
    <message>
        <source>Saving…</source>
        <translation>Wird gesichert …</translation>
    </message>
</context>
<context>
    <name>ui::SettingsDialog</name>
    <message>
        <source>Delete all…</source>
        <translation>Alle löschen …</translation>
    </message>
    <message>
        <source>Conversations</source>
        <translation>Unterhaltungen</translation>
    </message>
    <message>
        <source>Delete all conversations</source>
        <translation>Alle Unterhaltungen löschen</translation>
    </message>
    <message>
        <source>None</source>
        <translation>Keiner</translation>
    </message>
    <message>
        <source>Warm chats in memory</source>
        <translation>Warme Chats im Speicher</translation>
    </message>
    <message>
        <source>Main memory for what the device has no room for, so that nothing is computed twice</source>
        <translation>Hauptspeicher für das, wofür auf dem Gerät kein Platz ist, damit nichts zweimal gerechnet wird</translation>
    </message>
    <message>
        <source>Keep chats warm across restarts</source>
        <translation>Chats über Neustarts warm halten</translation>
    </message>
    <message>
        <source>In files only you can read. Switched off, they are erased</source>
        <translation>In Dateien, die nur du lesen kannst. Abgeschaltet werden sie gelöscht</translation>
    </message>
    <message>
        <source>On disk</source>
        <translation>Auf der Platte</translation>
    </message>
    <message>
        <source>At most</source>
        <translation>Höchstens</translation>
    </message>
    <message>
        <source>Of these files, all models together</source>
        <translation>Von diesen Dateien, alle Modelle zusammen</translation>
    </message>
    <message>
        <source>Leave out the oldest turns, and mark it</source>
        <translation>Älteste Runden weglassen und das zeigen</translation>
    </message>
    <message>
        <source>Stop and say so</source>
        <translation>Anhalten und es sagen</translation>
    </message>
    <message>
        <source>When the context is full</source>
        <translation>Wenn der Kontext voll ist</translation>
    </message>
    <message>
        <source>A chat may have its own choice</source>
        <translation>Ein Chat kann es anders halten</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>Einstellungen</translation>
    </message>
    <message>
        <source>Sections</source>
        <translation>Abschnitte</translation>
    </message>
    <message>
        <source>General</source>
        <translation>Allgemein</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>Modell</translation>
    </message>
    <message>
        <source>Replies</source>
        <translation>Antworten</translation>
    </message>
    <message>
        <source>As the system</source>
        <translation>Wie das System</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>Hell</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>Dunkel</translation>
    </message>
    <message>
        <source>Appearance</source>
        <translation>Aussehen</translation>
    </message>
    <message>
        <source>Enter sends, Shift+Enter begins a new line</source>
        <translation>Eingabe sendet, Umschalt+Eingabe beginnt eine neue Zeile</translation>
    </message>
    <message>
        <source>Otherwise Enter begins a new line and Ctrl+Enter sends</source>
        <translation>Sonst beginnt Eingabe eine neue Zeile, und Strg+Eingabe sendet</translation>
    </message>
    <message>
        <source>Writing</source>
        <translation>Schreiben</translation>
    </message>
    <message>
        <source>The best there is</source>
        <translation>Das beste vorhandene</translation>
    </message>
    <message>
        <source>Processor (CPU)</source>
        <translation>Prozessor (CPU)</translation>
    </message>
    <message>
        <source>NVIDIA GPU (CUDA)</source>
        <translation>NVIDIA-GPU (CUDA)</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>Gerät</translation>
    </message>
    <message>
        <source>One for each core</source>
        <translation>Einer je Kern</translation>
    </message>
    <message>
        <source>Threads</source>
        <translation>Threads</translation>
    </message>
    <message>
        <source>Processor threads that compute</source>
        <translation>Prozessor-Threads, die rechnen</translation>
    </message>
    <message>
        <source>As the model was made for</source>
        <translation>Wie vom Modell vorgesehen</translation>
    </message>
    <message>
        <source>Context</source>
        <translation>Kontext</translation>
    </message>
    <message>
        <source>Tokens that one conversation may take</source>
        <translation>Token, die eine Unterhaltung belegen darf</translation>
    </message>
    <message>
        <source>16 bits (exact)</source>
        <translation>16 Bit (genau)</translation>
    </message>
    <message>
        <source>8 bits (half the memory)</source>
        <translation>8 Bit (halber Speicher)</translation>
    </message>
    <message>
        <source>4 bits (a quarter of the memory)</source>
        <translation>4 Bit (ein Viertel des Speichers)</translation>
    </message>
    <message>
        <source>Memory of the conversation</source>
        <translation>Speicher der Unterhaltung</translation>
    </message>
    <message>
        <source>How keys and values of the context are kept</source>
        <translation>Wie Schlüssel und Werte des Kontexts gehalten werden</translation>
    </message>
    <message>
        <source>The model is loaded again when these change.</source>
        <translation>Das Modell wird neu geladen, wenn sich dies ändert.</translation>
    </message>
    <message>
        <source>Tells the model how to answer, in every new conversation</source>
        <translation>Sagt dem Modell in jeder neuen Unterhaltung, wie es antworten soll</translation>
    </message>
    <message>
        <source>System prompt</source>
        <translation>System-Prompt</translation>
    </message>
    <message>
        <source>Temperature</source>
        <translation>Temperatur</translation>
    </message>
    <message>
        <source>0: always the likeliest token; higher: more varied</source>
        <translation>0: immer das wahrscheinlichste Token; höher: abwechslungsreicher</translation>
    </message>
    <message>
        <source>No limit</source>
        <translation>Keine Grenze</translation>
    </message>
    <message>
        <source>Top-k</source>
        <translation>Top-k</translation>
    </message>
    <message>
        <source>Only the k likeliest tokens</source>
        <translation>Nur die k wahrscheinlichsten Token</translation>
    </message>
    <message>
        <source>Top-p</source>
        <translation>Top-p</translation>
    </message>
    <message>
        <source>Only the likeliest tokens that together reach this probability</source>
        <translation>Nur die wahrscheinlichsten Token, die zusammen diese Wahrscheinlichkeit erreichen</translation>
    </message>
    <message>
        <source>Min-p</source>
        <translation>Min-p</translation>
    </message>
    <message>
        <source>Only tokens at least this share as likely as the likeliest</source>
        <translation>Nur Token, die mindestens diesen Anteil der höchsten Wahrscheinlichkeit haben</translation>
    </message>
    <message>
        <source>Repetition penalty</source>
        <translation>Strafe für Wiederholung</translation>
    </message>
    <message>
        <source>1: none</source>
        <translation>1: keine</translation>
    </message>
    <message>
        <source>Presence penalty</source>
        <translation>Strafe für Vorkommen</translation>
    </message>
    <message>
        <source>0: none</source>
        <translation>0: keine</translation>
    </message>
    <message>
        <source>To the end of the context</source>
        <translation>Bis zum Ende des Kontexts</translation>
    </message>
    <message>
        <source>Longest reply</source>
        <translation>Längste Antwort</translation>
    </message>
    <message>
        <source>Tokens</source>
        <translation>Token</translation>
    </message>
</context>
<context>
    <name>ui::ShortcutsDialog</name>
    <message>
        <source>Engine</source>
        <translation>Rechenwerk</translation>
    </message>
    <message>
        <source>Keyboard shortcuts</source>
        <translation>Tastenkürzel</translation>
    </message>
    <message>
        <source>New chat</source>
        <translation>Neuer Chat</translation>
    </message>
    <message>
        <source>Search all conversations</source>
        <translation>Alle Unterhaltungen durchsuchen</translation>
    </message>
    <message>
        <source>Show or hide the sidebar</source>
        <translation>Seitenleiste ein- oder ausblenden</translation>
    </message>
    <message>
        <source>Choose a model</source>
        <translation>Modell wählen</translation>
    </message>
    <message>
        <source>Rename this conversation</source>
        <translation>Diese Unterhaltung umbenennen</translation>
    </message>
    <message>
        <source>Send</source>
        <translation>Senden</translation>
    </message>
    <message>
        <source>Enter</source>
        <translation>Eingabe</translation>
    </message>
    <message>
        <source>New line</source>
        <translation>Neue Zeile</translation>
    </message>
    <message>
        <source>Shift+Enter</source>
        <translation>Umschalt+Eingabe</translation>
    </message>
    <message>
        <source>Bring back what you sent</source>
        <translation>Gesendetes zurückholen</translation>
    </message>
    <message>
        <source>Up, in an empty box</source>
        <translation>Pfeil hoch im leeren Feld</translation>
    </message>
    <message>
        <source>Stop the answer</source>
        <translation>Antwort anhalten</translation>
    </message>
    <message>
        <source>Esc</source>
        <translation>Esc</translation>
    </message>
    <message>
        <source>Another answer</source>
        <translation>Andere Antwort</translation>
    </message>
    <message>
        <source>Copy the last answer</source>
        <translation>Letzte Antwort kopieren</translation>
    </message>
    <message>
        <source>From message to message</source>
        <translation>Von Nachricht zu Nachricht</translation>
    </message>
    <message>
        <source>Ctrl+Up, Ctrl+Down</source>
        <translation>Strg+Hoch, Strg+Runter</translation>
    </message>
    <message>
        <source>Edit or regenerate the marked message</source>
        <translation>Markierte Nachricht bearbeiten oder neu beantworten</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>Einstellungen</translation>
    </message>
    <message>
        <source>This list</source>
        <translation>Diese Liste</translation>
    </message>
    <message>
        <source>Quit</source>
        <translation>Beenden</translation>
    </message>
</context>
<context>
    <name>ui::StatusLine</name>
    <message>
        <source>Status</source>
        <translation>Status</translation>
    </message>
    <message>
        <source>Device</source>
        <translation>Gerät</translation>
    </message>
    <message>
        <source>Figures</source>
        <translation>Zahlen</translation>
    </message>
    <message>
        <source>%1 tok/s</source>
        <translation>%1 Tok/s</translation>
    </message>
    <message>
        <source>TTFT %1 s</source>
        <translation>TTFT %1 s</translation>
    </message>
    <message>
        <source>KV %1 of %2</source>
        <translation>KV %1 von %2</translation>
    </message>
    <message>
        <source>guesses %1 % right, %2×</source>
        <translation>Vermutungen %1 % richtig, %2×</translation>
    </message>
    <message>
        <source>Loading the model…</source>
        <translation>Modell wird geladen …</translation>
    </message>
    <message>
        <source>No model is loaded</source>
        <translation>Kein Modell geladen</translation>
    </message>
</context>
<context>
    <name>ui::Toast</name>
    <message>
        <source>Undo</source>
        <translation>Rückgängig</translation>
    </message>
</context>
</TS>
