#include <QAccessible>
#include <QCheckBox>
#include <QComboBox>
#include <QFile>
#include <QSignalSpy>
#include <QTranslator>

#include "tests/ui/support/program.h"
#include "ui/composer.h"
#include "ui/conversation_list.h"
#include "ui/engine_panel.h"
#include "ui/message_view.h"
#include "ui/settings_dialog.h"
#include "ui/status_line.h"
#include "ui/toast.h"

using ui::testing::kPatience;
using ui::testing::longText;

class WindowTest : public ui::testing::ProgramTest {
    Q_OBJECT

  private Q_SLOTS:
    void theEnginePanelShowsWhatIsKeptAndHowLongPeopleWait() {
        app::EngineSnapshot snapshot;
        snapshot.device = QStringLiteral("cpu: test");
        snapshot.running = 2;
        snapshot.waiting = 1;
        snapshot.kvBlocksTotal = 1000;
        snapshot.kvBlocksUsed = 700;
        snapshot.kvBlocksCached = 650;
        snapshot.hostBlocks = 40;
        snapshot.diskBlocks = 1234;
        snapshot.promptTokens = 2000;
        snapshot.cachedTokens = 1500;
        snapshot.queueMillis = 3.5;
        snapshot.ttftMillis = 210;
        snapshot.itlP50Millis = 12.5;
        snapshot.itlP99Millis = 31;
        program_->engine->setSnapshot(snapshot);
        QTest::keyClick(&*program_->window, Qt::Key_E, Qt::ControlModifier);
        auto* panel = program_->window->findChild<ui::EnginePanel*>();
        QVERIFY(panel != nullptr && panel->isVisible());
        using Figure = ui::EnginePanel::Figure;
        QCOMPARE(panel->value(Figure::BlocksUsed), QStringLiteral("700"));
        QCOMPARE(panel->value(Figure::BlocksFree), QStringLiteral("300"));
        QCOMPARE(panel->value(Figure::BlocksCached), QStringLiteral("650"));
        QCOMPARE(panel->value(Figure::HostBlocks), QStringLiteral("40"));
        QCOMPARE(panel->value(Figure::DiskBlocks), QStringLiteral("1,234"));
        QCOMPARE(panel->value(Figure::HitRate), QStringLiteral("75.0 %"));
        QCOMPARE(panel->value(Figure::TokensSaved), QStringLiteral("1,500"));
        QCOMPARE(panel->value(Figure::QueueTime), QStringLiteral("3.5 ms"));
        QCOMPARE(panel->value(Figure::FirstToken), QStringLiteral("210 ms"));
        QCOMPARE(panel->value(Figure::BetweenTokens), QStringLiteral("12.5 ms"));
        QCOMPARE(panel->value(Figure::BetweenTokensSlow), QStringLiteral("31.0 ms"));
        snapshot.diskBlocks = 0;
        program_->engine->setSnapshot(snapshot);
        QTRY_COMPARE(panel->value(Figure::DiskBlocks), QStringLiteral("0"));
        panel->close();
    }

    void theCacheOnDiskCanBeSwitchedOff() {
        QVERIFY(program_->application->settings().modelOptions().diskCache);
        ui::SettingsDialog dialog(program_->application->settings());
        QSignalSpy reload(&dialog, &ui::SettingsDialog::reloadRequested);
        dialog.findChild<QCheckBox*>(QStringLiteral("diskCache"))->setChecked(false);
        auto* full = dialog.findChild<QComboBox*>(QStringLiteral("whenFull"));
        full->setCurrentIndex(1);
        dialog.reject();
        QCOMPARE(reload.size(), 1);
        QVERIFY(!program_->application->settings().modelOptions().diskCache);
        QCOMPARE(program_->application->settings().whenFull(), app::WhenFull::Stop);
    }

    void everyControlHasAName() {
        program_->ask(QStringLiteral("Go"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        ui::SettingsDialog settings(program_->application->settings(), &*program_->window);
        QList<QWidget*> roots = {&*program_->window, &settings};
        for (QWidget* root : roots) {
            for (QWidget* widget : root->findChildren<QWidget*>()) {
                if (widget->focusPolicy() == Qt::NoFocus ||
                    widget->objectName().startsWith(QStringLiteral("qt_"))) {
                    continue;
                }
                QAccessibleInterface* interface = QAccessible::queryAccessibleInterface(widget);
                QVERIFY(interface != nullptr);
                QVERIFY2(!interface->text(QAccessible::Name).isEmpty(),
                         qPrintable(QStringLiteral("no name: %1 \"%2\" in %3")
                                        .arg(QString::fromLatin1(widget->metaObject()->className()),
                                             widget->objectName(), widget->parent()->objectName())));
            }
        }
    }

    void theThemeFollowsTheSettingAndStaysReadable() {
        for (const auto choice : {app::ThemeChoice::Dark, app::ThemeChoice::Light}) {
            program_->application->settings().setTheme(choice);
            const ui::Theme& theme = program_->window->theme();
            QCOMPARE(theme.isDark(), choice == app::ThemeChoice::Dark);
            using ui::Token;
            for (const Token text : {Token::Text, Token::TextSecondary, Token::TextFaint, Token::Link,
                                     Token::Error, Token::Warning}) {
                for (const Token ground : {Token::Window, Token::Sidebar, Token::Surface}) {
                    QVERIFY2(ui::contrastRatio(theme.color(text), theme.color(ground)) >= 4.5,
                             qPrintable(theme.color(text).name() + " on " + theme.color(ground).name()));
                }
            }
            QVERIFY(ui::contrastRatio(theme.color(Token::AccentText), theme.color(Token::Accent)) >= 4.5);
            QVERIFY(ui::contrastRatio(theme.color(Token::Text), theme.color(Token::Selection)) >= 4.5);
            QVERIFY(ui::contrastRatio(theme.color(Token::Error), theme.color(Token::ErrorSoft)) >= 4.5);
            QVERIFY(ui::contrastRatio(theme.color(Token::Focus), theme.color(Token::Window)) >= 3);
            for (int token = int(Token::SyntaxKeyword); token <= int(Token::SyntaxFunction); ++token) {
                QVERIFY2(ui::contrastRatio(theme.color(Token(token)), theme.color(Token::Code)) >= 4.5,
                         qPrintable(theme.color(Token(token)).name()));
            }
        }
    }

    void settingsAreKept() {
        ui::SettingsDialog dialog(program_->application->settings());
        auto* theme = dialog.findChild<QComboBox*>(QStringLiteral("themeChoice"));
        theme->setCurrentIndex(2);
        QCOMPARE(program_->application->settings().theme(), app::ThemeChoice::Dark);
        QVERIFY(program_->window->theme().isDark());
    }

    void theStatusLineShowsContextAndSpeed() {
        program_->engine->setText(longText(200));
        program_->engine->setTokensPerSecond(2000);
        program_->ask(QStringLiteral("Go"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        QTRY_VERIFY(program_->window->statusLine()->meter()->text().contains(QLocale().toString(4096)));
    }

    void theSidebarHidesAndItsPlaceIsTaken() {
        QWidget* sidebar = program_->window->conversations();
        const int before = program_->window->messageView()->parentWidget()->width();
        QTest::keyClick(&*program_->window, Qt::Key_B, Qt::ControlModifier);
        QVERIFY(sidebar->isHidden());
        QTRY_VERIFY(program_->window->messageView()->parentWidget()->width() > before);
        QTest::keyClick(&*program_->window, Qt::Key_B, Qt::ControlModifier);
        QVERIFY(!sidebar->isHidden());
    }

    void dangerousLinksAreNotOpened() {
        Q_EMIT program_->window->messageView()->linkActivated(QStringLiteral("file:///etc/passwd"));
        QVERIFY(program_->window->toast()->isVisible());
        QVERIFY(program_->window->toast()->text().contains(QStringLiteral("file:///etc/passwd")));
    }

    void theGermanTranslationIsCompleteAndLoads() {
        QTranslator german;
        QVERIFY(german.load(QLocale(QLocale::German), QStringLiteral("alcove"), QStringLiteral("_"),
                            QStringLiteral(":/translations")));
        QCOMPARE(german.translate("ui::Composer", "Ask anything"), QStringLiteral("Frag etwas"));
        QCOMPARE(german.translate("ui::MessageDelegate", "Stopped"), QStringLiteral("Angehalten"));
        QCOMPARE(german.translate("ui::CodeLayout", "Copied"), QStringLiteral("Kopiert"));
        QFile source(QStringLiteral(ALCOVE_TEST_DATA "/../resources/translations/alcove_de.ts"));
        QVERIFY(source.open(QIODevice::ReadOnly));
        QVERIFY(!source.readAll().contains("type=\"unfinished\""));
    }
};

int main(int argc, char** argv) {
    return ui::testing::run<WindowTest>(argc, argv);
}

#include "window_test.moc"
