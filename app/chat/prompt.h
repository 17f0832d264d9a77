#pragma once

#include "app/chat/chat_engine.h"
#include "app/store/message_tree.h"

namespace app {

/// A path of a conversation as the engine is asked to answer it.
struct Prompt {
    ReplyRequest request;
    /// For each of the request's messages the first of the conversation's messages in it; 0: the system
    /// prompt.
    QList<MessageId> sources;
};

/// The path to `last`. Neighbours of one role become one message: most templates insist that roles
/// alternate, and a failed answer leaves two questions in a row. Messages that an answer on the path was
/// given without stay out (ReplyStats::firstKept), so that the prompt goes on beginning the same way.
/// Ids go along where they are of the model's vocabulary.
Prompt promptFor(const Conversation& conversation, const MessageTree& tree, MessageId last,
                 const ModelStatus& model);

/// Every path whose KV an engine may hold: to each answer, and to questions that have none.
QList<ReplyRequest> allPaths(const Conversation& conversation, const MessageTree& tree,
                             const ModelStatus& model);

/// Whether every answer was written with the model's vocabulary, so that all ids can be told again.
bool isAllOf(const MessageTree& tree, const ModelStatus& model);

/// The message that the prompt of the path begins with after its system prompt, as the last answer on it
/// that had to leave some out says; 0: nothing is left out. Those of a smaller context than the model's do
/// not count any more.
MessageId firstKept(const MessageTree& tree, MessageId last, const ModelStatus& model);

/// Has the engine erase what it keeps of a conversation: of all its branches or, where their prompts cannot
/// be told again (another vocabulary), of everything.
void forgetConversation(ChatEngine& engine, const Conversation& conversation, const MessageTree& tree);

}  // namespace app
