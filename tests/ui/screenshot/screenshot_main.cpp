/// Takes a picture of the real window: with a real model that answers a question, or in one of a few scenes
/// that a scripted engine sets, so that a designer can look at states which are hard to reach by hand.

#include <QApplication>
#include <QCommandLineParser>
#include <QElapsedTimer>
#include <QLineEdit>
#include <QListWidget>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QScrollBar>
#include <QTemporaryDir>
#include <QTest>
#include <cstdio>
#include <functional>

#include "app/application.h"
#include "app/chat/scripted_engine.h"
#include "ui/composer.h"
#include "ui/conversation_list.h"
#include "ui/main_window.h"
#include "ui/message_view.h"
#include "ui/model_picker.h"
#include "ui/settings_dialog.h"
#include "ui/shortcuts_dialog.h"

namespace {

const char* const kEverything = R"(# A radix tree in short

A **radix tree** keeps strings by their *shared beginnings*: each edge carries a piece of text, and a node with a
single child is merged with it. Looking up a key costs `O(k)` for a key of `k` characters.

## How it works

1. Start at the root and compare the key with the edges.
2. Follow the edge whose text begins the key.
   - If only a part agrees, the edge is **split**.
   - If nothing agrees, a new edge is added.
3. Repeat with what is left of the key.

> A trie spends a node on every character; a radix tree spends one on every *branch*.

```python
class Node:
    """One node; edges map a prefix to a child."""

    def __init__(self):
        self.edges = {}      # str -> Node
        self.is_key = False

    def insert(self, key: str) -> None:
        for prefix, child in self.edges.items():
            n = common_prefix_length(prefix, key)
            if n == len(prefix):
                return child.insert(key[n:])
        self.edges[key] = Node()  # nothing in common: a very long comment that goes beyond the right edge of the block
```

| structure | lookup | memory | ordered |
|:----------|:------:|-------:|---------|
| hash map  | O(1)   | 1.0x   | no      |
| trie      | O(k)   | 4.2x   | yes     |
| radix tree | O(k)  | 1.6x   | yes     |

- [x] insert
- [ ] delete

See [the paper](https://example.org/paper) or https://example.org. ~~Old advice~~ is struck out.)";

void waitUntil(const std::function<bool()>& done, int seconds) {
    QElapsedTimer clock;
    clock.start();
    while (!done() && clock.elapsed() < seconds * 1000) QTest::qWait(20);
    if (!done()) {
        std::fprintf(stderr, "screenshot: waited %d seconds in vain\n", seconds);
        std::exit(1);
    }
}

void ask(ui::MainWindow& window, const QString& text) {
    window.composer()->setText(text);
    QTest::keyClick(window.composer()->edit(), Qt::Key_Return);
}

void answered(ui::MainWindow& window, int seconds = 120) {
    waitUntil([&] { return !window.session()->isBusy(); }, seconds);
}

/// Other conversations, so that the list does not stand empty.
void fillStore(app::ConversationStore& store) {
    const QString titles[] = {"Plan a weekend in Lisbon", "Why does my loop never end?",
                              "Letter to the landlord",   "Difference between TCP and UDP",
                              "Birthday poem for Ana",    "SQL: the newest row of each group",
                              "Bread with little yeast"};
    const int daysAgo[] = {0, 0, 1, 3, 5, 12, 40};
    for (int i = 0; i < 7; ++i) {
        app::Conversation conversation;
        conversation.id = app::ConversationStore::newId();
        conversation.title = titles[i];
        conversation.created = conversation.updated =
            QDateTime::currentDateTimeUtc().addDays(-daysAgo[i]).addSecs(-60 * i);
        app::Message message;
        message.id = app::ConversationStore::newId();
        message.conversation = conversation.id;
        message.text = titles[i];
        message.created = conversation.created;
        conversation.activeLeaf = message.id;
        store.addTree(conversation, {message});
    }
    store.flush();
}

}  // namespace

int main(int argc, char** argv) {
    QApplication program(argc, argv);
    QCommandLineParser parser;
    parser.addHelpOption();
    parser.addOptions(
        {{"out", "The picture (PNG).", "FILE", "window.png"},
         {"model", "Ask this model instead of setting a scene.", "FILE"},
         {"ask", "What to ask it; may be given several times.", "TEXT",
          "Write a short Python function that reverses a string."},
         {"scene",
          "empty, answer, long, error, waiting, versions, settings, keys, models, search, none, edit, toast.",
          "NAME", "answer"},
         {"theme", "light or dark.", "THEME", "light"},
         {"size", "WIDTHxHEIGHT of the window.", "SIZE", "1120x780"}});
    parser.process(program);
    const QString scene = parser.value("scene");
    const QString modelFile = parser.value("model");

    QTemporaryDir folder;
    app::Application::Options options;
    options.dataFolder = folder.path() + "/data";
    options.configFolder = folder.path() + "/config";
    options.otherPrograms = false;
    app::ScriptedEngine* scripted = nullptr;
    if (modelFile.isEmpty()) {
        auto engine = std::make_unique<app::ScriptedEngine>();
        scripted = engine.get();
        app::ModelStatus status = engine->model();
        status.name = "SmolLM2 135M Instruct";
        status.device = "cpu: AVX-512 VNNI, 2 threads";
        status.contextLimit = 8192;
        if (scene == "none") status = {};
        engine->setModel(status);
        options.engine = std::move(engine);
    } else {
        options.model = modelFile;
    }
    app::Application application(std::move(options));
    application.settings().setTheme(parser.value("theme") == "dark" ? app::ThemeChoice::Dark
                                                                    : app::ThemeChoice::Light);
    fillStore(application.store());
    if (!modelFile.isEmpty()) {
        app::SamplingSettings sampling;
        sampling.seed = 7;
        sampling.temperature = 0;
        sampling.maxNewTokens = 400;  // a small model may go on and on
        application.settings().setSampling(sampling);
    }

    ui::MainWindow window(application);
    const QStringList size = parser.value("size").split('x');
    window.resize(size.value(0).toInt(), size.value(1).toInt());
    window.show();
    QWidget* grabbed = &window;
    if (!modelFile.isEmpty()) {
        application.start();
        waitUntil([&] { return application.engine().model().state == app::ModelState::Ready; }, 60);
        for (const QString& question : parser.values("ask")) {
            ask(window, question);
            answered(window, 240);
        }
    } else if (scene == "settings" || scene == "keys") {
        auto* dialog = scene == "keys" ? static_cast<QDialog*>(new ui::ShortcutsDialog(&window))
                                       : new ui::SettingsDialog(application.settings(), &window);
        dialog->show();
        if (auto* sections = dialog->findChild<QListWidget*>("sections")) sections->setCurrentRow(2);
        grabbed = dialog;
    } else if (scene == "models") {
        application.models().scan();
        QTest::qWait(500);
        window.modelPicker()->click();
        grabbed = window.modelPicker()->popup();
    } else if (scene != "empty" && scene != "none") {
        scripted->setText(QString::fromUtf8(kEverything));
        if (scene == "error") {
            scripted->setWriter([](const app::ReplyRequest&) {
                return app::ScriptedEngine::Script{"This much was written before",
                                                   "The context of 4,096 tokens is full: begin a new chat, "
                                                   "or load the model with a longer context in the settings.",
                                                   {}};
            });
        }
        if (scene == "waiting") scripted->setPaused(true);
        ask(window,
            "How does a radix tree work?\nPlease with an example, and a table that compares it with other "
            "structures.");
        if (scene != "waiting") answered(window);
        if (scene == "long") {
            for (int i = 0; i < 12; ++i) {
                ask(window, QString("And what about part %1?").arg(i + 2));
                answered(window);
            }
            QTest::qWait(100);
            window.messageView()->verticalScrollBar()->setValue(
                window.messageView()->verticalScrollBar()->maximum() / 2);
        }
        if (scene == "versions") {
            window.session()->regenerate();
            answered(window);
        }
        if (scene == "edit") Q_EMIT window.messageView()->editRequested(0);
        if (scene == "answer") {
            QTest::qWait(60);
            window.messageView()->verticalScrollBar()->setValue(0);
        }
        if (scene == "toast") window.deleteConversation(application.store().conversations().last().id);
        if (scene == "search") {
            window.conversations()->searchField()->setText("radix");
        }
    }
    QTest::qWait(400);
    if (!grabbed->grab().save(parser.value("out"))) {
        std::fprintf(stderr, "screenshot: %s could not be written\n", qPrintable(parser.value("out")));
        return 1;
    }
    return 0;
}
