#include <QApplication>
#include <QTemporaryDir>
#include <QTest>
#include <optional>

#include "app/application.h"
#include "tests/engine/support/tiny_chat_model.h"
#include "ui/composer.h"
#include "ui/conversation_list.h"
#include "ui/main_window.h"
#include "ui/message_model.h"
#include "ui/message_view.h"

namespace {

constexpr int kPatience = 60'000;  // milliseconds; only a hang takes so long

/// Slow enough that both chats are written for seconds.
engine::testing::TinyModel slowShape() {
    engine::testing::TinyModel shape = engine::testing::tinyChatShape();
    shape.layers = 8;
    shape.embedding = 512;
    shape.feedForward = 1536;
    shape.heads = 8;
    shape.kvHeads = 4;
    shape.headDim = 64;
    return shape;
}

}  // namespace

/// Two real chats in the real window: nothing between the composer and the model is a stand-in.
class TwoChatsTest : public QObject {
    Q_OBJECT

    const engine::testing::TinyChatModel tiny_{slowShape()};
    QTemporaryDir folder_;
    std::optional<app::Application> application_;
    std::optional<ui::MainWindow> window_;

    void ask(const QString& text) {
        QTest::keyClicks(window_->composer()->edit(), text);
        QTest::keyClick(window_->composer()->edit(), Qt::Key_Return);
    }
    const app::Message& last() const {
        return window_->session()->messageAt(window_->session()->messageCount() - 1);
    }

  private Q_SLOTS:
    void initTestCase() {
        app::Application::Options options;
        options.dataFolder = folder_.filePath(QStringLiteral("data"));
        options.configFolder = folder_.filePath(QStringLiteral("config"));
        options.otherPrograms = false;
        options.device = QStringLiteral("cpu");
        options.model = QString::fromStdString(tiny_.path().string());
        application_.emplace(std::move(options));
        app::ModelOptions model = application_->settings().modelOptions();
        model.threads = 1;
        model.contextTokens = 4096;
        application_->settings().setModelOptions(model);
        window_.emplace(*application_);
        window_->resize(1000, 700);
        window_->show();
        QVERIFY(QTest::qWaitForWindowExposed(&*window_));
        application_->start();
        QTRY_COMPARE_WITH_TIMEOUT(application_->engine().model().state, app::ModelState::Ready, kPatience);
    }
    void cleanupTestCase() {
        window_.reset();
        application_.reset();
    }

    void bothStreamAndSwitchingRepaintsAtOnce() {
        const QStringList questions = {QStringLiteral("what is an aardvark"),
                                       QStringLiteral("who is Zacharias")};
        std::vector<app::ConversationId> chats;
        // Repeating oneself is rewarded, so that a noise model finds no end.
        app::SamplingSettings sampling;
        sampling.temperature = 0;
        sampling.presencePenalty = -2;
        sampling.penaltyWindow = 12;
        application_->settings().setSampling(sampling);
        for (const QString& question : questions) {
            for (int attempt = 1;; ++attempt) {
                window_->newChat();
                ask(question + QStringLiteral(" and so on").repeated(attempt));
                QTRY_VERIFY_WITH_TIMEOUT(last().text.size() > 200 || !window_->session()->isBusy(),
                                         kPatience);
                if (window_->session()->isBusy()) break;
                QVERIFY2(attempt < 40, "every reply ended at once");
            }
            chats.push_back(window_->session()->conversation().id);
        }
        ui::MessageView* view = window_->messageView();
        const auto* model = window_->conversations()->model();
        qsizetype seen[2] = {0, 0};
        int asked = 0;
        for (int round = 0; round < 8; ++round) {
            // On a slow screen a reply may have come to its end: the next one goes on.
            for (size_t i = 0; i < chats.size(); ++i)
                while (!model->isBusy(chats[i])) {
                    QVERIFY2(++asked < 40, "every reply ended at once");
                    window_->openConversation(chats[i]);
                    ask(QStringLiteral("go on") + QStringLiteral(" and so on").repeated(asked));
                    QTRY_VERIFY_WITH_TIMEOUT(last().text.size() > 200 || !window_->session()->isBusy(),
                                             kPatience);
                    seen[i] = 0;
                }
            const size_t which = static_cast<size_t>(round % 2);
            window_->openConversation(chats[which]);
            // With no turn of the event loop: what is shown now is this chat with all its text so far.
            const int paints = view->paintCount();
            view->viewport()->repaint();
            QVERIFY(view->paintCount() > paints);
            view->selectAll();
            const QString shown = view->selectedText();
            QVERIFY(shown.contains(questions[static_cast<qsizetype>(which)]));
            QVERIFY(!shown.contains(questions[static_cast<qsizetype>(1 - which)]));
            const qsizetype length = last().text.size();
            QVERIFY2(length > seen[which], "it was written on while the other was shown");
            seen[which] = length;
            // And it goes on streaming on the screen.
            const int before = view->paintCount();
            QTRY_VERIFY_WITH_TIMEOUT(last().text.size() > length + 20 || !window_->session()->isBusy(),
                                     kPatience);
            QTRY_VERIFY_WITH_TIMEOUT(view->paintCount() > before, kPatience);
        }
        QVERIFY(application_->engine().snapshot().running <= 2);
        for (const app::ConversationId chat : chats) {
            window_->openConversation(chat);
            window_->session()->stop();
            QTRY_VERIFY_WITH_TIMEOUT(!window_->session()->isBusy(), kPatience);
            QVERIFY(last().stats.newTokens > 20);
        }
    }
};

int main(int argc, char** argv) {
    QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates));
    QApplication program(argc, argv);
    TwoChatsTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "two_chats_test.moc"
