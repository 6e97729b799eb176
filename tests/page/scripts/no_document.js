// lit-html asks for a document as it is loaded; what is tested without a browser makes no use of it.
Object.assign(globalThis, { document: { createTreeWalker: () => ({}), createComment: () => ({}) } });
